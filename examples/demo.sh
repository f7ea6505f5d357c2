#!/usr/bin/env bash
# The story of examples/invoices from an empty home to a verified ledger, with a simulated TPM. `make demo` builds, then calls this.
# usage: demo.sh FOLDER    the folder is made anew: home/, invoices/ (a copy of the example), run.json
# Environment: BIN (folder of the binaries), PYTHON (one that has openpyxl), MODEL (a GGUF file; empty: the cached one is fetched).
set -euo pipefail

folder=$1
here=$(cd "$(dirname "$0")" && pwd)
: "${BIN:?}" "${PYTHON:?}"

heading() { printf '\n== %s\n' "$1"; }

heading "model"
model=${MODEL:-$("$PYTHON" "$here/fetch-model.py")}
if [[ ! -f $model ]]; then
  echo "error: no model at \`$model\`" >&2
  exit 1
fi
echo "$model"

heading "a fresh home and a fresh copy of the invoices in $folder"
rm -rf "$folder"
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
home=$folder/home
work=$folder/invoices
mkdir "$work"
cp "$here"/invoices/*.xlsx "$here/invoices/manifest.json" "$work"

# The simulator's state lives and dies with the demo: nothing of it is worth keeping, and no other swtpm is touched.
state=$(mktemp -d)
swtpm_pid=
stop() {
  if [[ -n $swtpm_pid ]]; then
    kill "$swtpm_pid" 2>/dev/null || true
    wait "$swtpm_pid" 2>/dev/null || true
  fi
  rm -rf "$state"
}
trap stop EXIT
export TSS2_LOG=all+none # its warnings about retries are for its own authors
start_tpm() {
  local port
  port=$("$PYTHON" "$here/free_ports.py")
  swtpm socket --tpm2 --tpmstate "dir=$state" --server "type=tcp,port=$port" --ctrl "type=tcp,port=$((port + 1))" \
    --flags not-need-init,startup-clear >"$state/log" 2>&1 &
  swtpm_pid=$!
  export CLOISTER_TCTI=swtpm:host=127.0.0.1,port=$port
  for _ in $(seq 50); do
    kill -0 "$swtpm_pid" 2>/dev/null || break
    # The control port answers once both are open; the data port is left alone for the first client.
    if (exec 3<>"/dev/tcp/127.0.0.1/$((port + 1))") 2>/dev/null; then
      return 0
    fi
    sleep 0.1
  done
  return 1
}
# Another program may take a port between the choice and the start, so once more is worth trying.
start_tpm || start_tpm || { echo "error: swtpm did not start: $(cat "$state/log")" >&2; exit 1; }
echo "swtpm stands in for a TPM at $CLOISTER_TCTI"

"$BIN/cloister" --home "$home" init --unattended-agents invoice-helper
"$BIN/cloister" --home "$home" models import "$model" --name "$(basename "$model" .gguf)"

request=$(cat "$here/invoices/request.txt")
heading "$request"
how=()
if [[ ! -t 0 || ! -t 1 ]]; then
  how=(--unattended)
fi
code=0
(cd "$work" && "$BIN/cloister" --home "$home" --json run --manifest manifest.json "${how[@]}" "$request") >"$folder/run.json" || code=$?
if ((code != 0)); then
  cat "$folder/run.json"
  echo "the run ended with exit code $code" >&2
  exit "$code"
fi

heading "an independent computation of the totals, from the inputs, by openpyxl"
checked=0
"$PYTHON" "$here/invoices/check.py" "$work" || checked=$?

heading "cloister-verify, which sees only the ledger folder and the roots"
verified=0
"$BIN/cloister-verify" "$home/ledger" --roots "$home/keys/roots.json" || verified=$?

heading "account"
"$PYTHON" "$here/account.py" "$folder/run.json"
case $verified in
  0) verdict="sound, anchored and attested" ;;
  1) verdict="TAMPERED" ;;
  2) verdict="sound, but not anchored or not attested" ;;
  *) verdict="not checked" ;;
esac
echo "verifier     $verdict (exit $verified)"
if ((checked == 0)); then
  echo "totals       right"
else
  echo "totals       WRONG"
fi
echo "look         $work/reports/q4-summary.xlsx"
((checked == 0 && verified == 0))
