//! The program against a stand-in for the hub on loopback: it serves one file, and cuts, lies or refuses as told.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

const PATH: &str = "/Org/Repo/resolve/v1/model.gguf";

/// How the stand-in behaves.
#[derive(Clone)]
struct Hub {
    file: Vec<u8>,
    /// A connection is closed after so many bytes of the file.
    cut: Option<usize>,
    ranges: Ranges,
}

#[derive(Clone, Copy, PartialEq)]
enum Ranges {
    Served,
    Ignored,
}

/// A running stand-in: where it listens, and the `Range` of each request so far.
struct Running {
    endpoint: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Hub {
    fn serve(self) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let _ = self.answer(stream.unwrap(), &seen);
            }
        });
        Running { endpoint, asked }
    }

    fn answer(&self, mut stream: TcpStream, asked: &Mutex<Vec<String>>) -> std::io::Result<()> {
        let lines: Vec<String> = BufReader::new(stream.try_clone()?)
            .lines()
            .map_while(Result::ok)
            .take_while(|line| !line.is_empty())
            .collect();
        let path = lines[0].split(' ').nth(1).unwrap();
        let range = lines
            .iter()
            .find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("range: bytes=")
                    .map(str::to_owned)
            })
            .unwrap_or_default();
        asked.lock().unwrap().push(range.clone());
        let lacks = |code: &str| {
            format!(
                "HTTP/1.1 404 Not Found\r\nX-Error-Code: {code}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
        };
        if path != PATH {
            let code = if path.starts_with("/Org/Repo/resolve/v1/") {
                "EntryNotFound"
            } else {
                "RevisionNotFound"
            };
            return stream.write_all(lacks(code).as_bytes());
        }
        let total = self.file.len();
        let from = match self.ranges {
            Ranges::Served => range.trim_end_matches('-').parse().unwrap_or(0),
            Ranges::Ignored => 0,
        };
        if from >= total {
            return stream.write_all(b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
        let status = match self.ranges {
            Ranges::Served => format!(
                "206 Partial Content\r\nContent-Range: bytes {from}-{}/{total}",
                total - 1
            ),
            Ranges::Ignored => "200 OK".to_owned(),
        };
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            total - from
        )?;
        let end = self.cut.map_or(total, |cut| total.min(from + cut));
        stream.write_all(&self.file[from..end])
    }
}

fn file() -> Vec<u8> {
    (0..300_000u32)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn good() -> Hub {
    Hub {
        file: file(),
        cut: None,
        ranges: Ranges::Served,
    }
}

fn fetch(endpoint: &str, repository: &str, name: &str, sha256: &str, out: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cloister-fetch"))
        .args(["hf", repository, name, "--sha256", sha256, "--out"])
        .arg(out)
        .env("HF_ENDPOINT", endpoint)
        .env("HF_HOME", out.join("hf-home"))
        .env("NO_PROXY", "127.0.0.1")
        .env("no_proxy", "127.0.0.1")
        .output()
        .unwrap()
}

fn fetch_file(endpoint: &str, sha256: &str, out: &Path) -> (i32, String) {
    let output = fetch(endpoint, "Org/Repo@v1", "model.gguf", sha256, out);
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn a_file_comes_whole_with_progress_and_a_second_time_at_once() {
    let (out, hub) = (tempfile::tempdir().unwrap(), good().serve());
    let (code, said) = fetch_file(&hub.endpoint, &hex(&file()), out.path());
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("50% ") && said.contains("100% "), "{said}");
    assert_eq!(
        std::fs::read(out.path().join("model.gguf")).unwrap(),
        file()
    );
    assert!(!out.path().join("model.gguf.part").exists());
    let (code, said) = fetch_file(&hub.endpoint, &hex(&file()), out.path());
    assert_eq!((code, said.as_str()), (0, ""));
    assert_eq!(*hub.asked.lock().unwrap(), ["0-"]);
}

#[test]
fn a_cut_connection_goes_on_where_it_stopped() {
    let out = tempfile::tempdir().unwrap();
    let hub = Hub {
        cut: Some(500_000),
        ..good()
    }
    .serve();
    let (code, said) = fetch_file(&hub.endpoint, &hex(&file()), out.path());
    assert_eq!(code, 0, "{said}");
    assert_eq!(*hub.asked.lock().unwrap(), ["0-", "500000-", "1000000-"]);
    assert_eq!(
        std::fs::read(out.path().join("model.gguf")).unwrap(),
        file()
    );
}

#[test]
fn a_dead_line_is_given_up_and_the_next_run_resumes() {
    let out = tempfile::tempdir().unwrap();
    let dead = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap(); // closed again: nobody listens
    std::fs::write(out.path().join("model.gguf.part"), &file()[..70_000]).unwrap();
    let (code, said) = fetch_file(&format!("http://{dead}"), &hex(&file()), out.path());
    assert_eq!(code, 1);
    assert!(
        said.contains("failed 5 times")
            && said.contains("at byte 70000")
            && said.contains("hint: "),
        "{said}"
    );
    let hub = good().serve();
    let (code, said) = fetch_file(&hub.endpoint, &hex(&file()), out.path());
    assert_eq!(code, 0, "{said}");
    assert_eq!(*hub.asked.lock().unwrap(), ["70000-"]);
    assert_eq!(
        std::fs::read(out.path().join("model.gguf")).unwrap(),
        file()
    );
}

#[test]
fn a_hub_without_ranges_is_read_from_the_start() {
    let out = tempfile::tempdir().unwrap();
    std::fs::write(out.path().join("model.gguf.part"), &file()[..70_000]).unwrap();
    let hub = Hub {
        ranges: Ranges::Ignored,
        ..good()
    }
    .serve();
    assert_eq!(fetch_file(&hub.endpoint, &hex(&file()), out.path()).0, 0);
    assert_eq!(
        std::fs::read(out.path().join("model.gguf")).unwrap(),
        file()
    );
}

#[test]
fn what_an_earlier_run_left_of_another_file_is_thrown_away() {
    let (out, hub) = (tempfile::tempdir().unwrap(), good().serve());
    std::fs::write(out.path().join("model.gguf.part"), vec![7; 70_000]).unwrap();
    let (code, said) = fetch_file(&hub.endpoint, &hex(&file()), out.path());
    assert_eq!(code, 0, "{said}");
    assert_eq!(*hub.asked.lock().unwrap(), ["70000-", "0-"]);
    assert_eq!(
        std::fs::read(out.path().join("model.gguf")).unwrap(),
        file()
    );
}

#[test]
fn a_wrong_hash_never_gets_the_name() {
    let (out, hub) = (tempfile::tempdir().unwrap(), good().serve());
    let (code, said) = fetch_file(&hub.endpoint, &hex(b"other"), out.path());
    assert_eq!(code, 4, "{said}");
    assert!(
        said.contains(&hex(b"other")) && said.contains(&hex(&file())) && said.contains("hint: "),
        "{said}"
    );
    assert!(
        !out.path().join("model.gguf").exists() && !out.path().join("model.gguf.part").exists()
    );
}

#[test]
fn a_file_that_is_there_with_another_hash_is_left_alone() {
    let (out, hub) = (tempfile::tempdir().unwrap(), good().serve());
    std::fs::write(out.path().join("model.gguf"), b"mine").unwrap();
    let (code, said) = fetch_file(&hub.endpoint, &hex(&file()), out.path());
    assert_eq!(code, 4, "{said}");
    assert_eq!(
        std::fs::read(out.path().join("model.gguf")).unwrap(),
        b"mine"
    );
    assert!(hub.asked.lock().unwrap().is_empty());
}

#[test]
fn what_the_hub_lacks_is_named() {
    let (out, hub) = (tempfile::tempdir().unwrap(), good().serve());
    for (repository, name, said) in [
        ("Org/Repo@v2", "model.gguf", "the revision `v2`"),
        ("Org/Repo@v1", "other.gguf", "the file `other.gguf`"),
    ] {
        let output = fetch(&hub.endpoint, repository, name, &hex(b"other"), out.path());
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(text.contains(said) && text.contains("hint: "), "{text}");
    }
}

#[test]
fn a_name_that_leads_elsewhere_is_wrong_usage() {
    let (out, hub) = (tempfile::tempdir().unwrap(), good().serve());
    let right = hex(&file());
    let cases = [
        ("Org/Repo@v1", "../model.gguf", right.as_str()),
        ("Org/Repo@v1", "a/../../model.gguf", &right),
        ("Org/Repo@v1", "/etc/model.gguf", &right),
        ("Org/Repo@v1", "model.gguf?x", &right),
        ("Org/Repo@v1", "", &right),
        ("Org/Repo", "model.gguf", &right),
        ("Org/../Repo@v1", "model.gguf", &right),
        ("Org/Repo@../v1", "model.gguf", &right),
        ("Org/Repo@v1", "model.gguf", "00"),
    ];
    for (repository, name, sha256) in cases {
        let output = fetch(&hub.endpoint, repository, name, sha256, out.path());
        assert_eq!(
            output.status.code(),
            Some(2),
            "{repository} {name} {sha256}"
        );
    }
    assert!(hub.asked.lock().unwrap().is_empty());
}
