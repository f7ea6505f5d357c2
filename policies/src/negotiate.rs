//! Negotiation: what of a manifest the policy grants. The result is a subset of what was asked, by construction. Touches nothing.

use std::path::PathBuf;

use crate::bundle::Bundle;
use crate::decision::Refusal;
use crate::grants::{Grants, NamePattern, Negotiated, Op};
use crate::manifest::{Capability, Manifest, Scope, name_pattern};
use crate::pattern::{Pattern, normalise};
use crate::rego::{Outcome, Said};
use crate::request::{Input, Kind, ManifestView, Request, SessionView};
use crate::session::{Session, UnixMillis};
use crate::verdict::Verdict;

impl Bundle {
    /// Puts each path, host, tool and model of the manifest to the policy, and the time. What is not permitted is refused with its reason;
    /// a rule that asks refuses too, for nothing has happened yet that a person could look at.
    #[must_use]
    pub fn negotiate(&self, manifest: &Manifest, session: &Session, now: UnixMillis) -> Negotiated {
        let mut table = Table {
            bundle: self,
            view: manifest.view(),
            session,
            now,
            refused: Vec::new(),
        };
        let reserved = table.reserved();
        let (mut paths, mut tools, mut models) = (Vec::new(), None, None);
        for capability in manifest.capabilities() {
            match capability.scope() {
                Scope::Paths(op, patterns) => paths.extend(table.paths(*op, patterns, &reserved)),
                Scope::Hosts(hosts) => table.hosts(capability, hosts),
                Scope::Tools(names) => tools
                    .get_or_insert_with(Vec::new)
                    .extend(table.names(capability, names)),
                Scope::Models(names) => models
                    .get_or_insert_with(Vec::new)
                    .extend(table.names(capability, names)),
                Scope::Unknown(_) => table.unknown(capability),
            }
        }
        let seconds = if reserved.is_some() {
            table.seconds(manifest.ttl())
        } else {
            0
        };
        let Table { view, refused, .. } = table;
        let grants = Grants {
            manifest: view,
            paths,
            tools,
            models,
            until: now.plus_seconds(seconds),
            reserved: reserved.unwrap_or_default(),
            ceiling: session.device.clone(),
        };
        Negotiated { grants, refused }
    }
}

fn managed() -> Said {
    Said::forbid(
        "device.files",
        "the management of this device keeps agents out of it",
    )
}

fn managed_time() -> Said {
    Said::forbid(
        "device.time",
        "the management of this device grants access for a shorter time",
    )
}

/// One negotiation.
struct Table<'a> {
    bundle: &'a Bundle,
    view: ManifestView,
    session: &'a Session,
    now: UnixMillis,
    refused: Vec<Refusal>,
}

impl Table<'_> {
    /// The reserved folders; nothing, and a refusal of everything, where one of them cannot be compared with.
    fn reserved(&mut self) -> Option<Vec<PathBuf>> {
        let all = self
            .session
            .reserved
            .iter()
            .map(|path| normalise(path))
            .collect::<Option<Vec<_>>>();
        if all.is_none() {
            self.refuse(
                "everything",
                Said::forbid(
                    "builtin.reserved",
                    "a reserved folder is not an absolute path, so nothing can be kept out of it",
                ),
            );
        }
        all
    }

    fn paths(
        &mut self,
        op: Op,
        patterns: &[Pattern],
        reserved: &Option<Vec<PathBuf>>,
    ) -> Vec<(Op, Pattern)> {
        let Some(reserved) = reserved else {
            return Vec::new();
        };
        let mut granted = Vec::new();
        for pattern in patterns {
            let what = format!("{} {}", op.capability(), pattern.text());
            if reserved.iter().any(|root| pattern.base().starts_with(root)) {
                self.refuse(
                    &what,
                    Said::forbid(
                        "builtin.reserved",
                        "it lies in Cloister's own folder, which is never granted",
                    ),
                );
                continue;
            }
            if self.session.device.shuts(op, pattern.base()) {
                self.refuse(&what, managed());
                continue;
            }
            let Some(base) = pattern.base().to_str() else {
                self.refuse(
                    &what,
                    Said::forbid(
                        "builtin.name",
                        "the folder's name is not UTF-8, so no rule can judge it",
                    ),
                );
                continue;
            };
            let request = Request::Negotiate {
                capability: op.capability(),
                known: true,
                item: Some(pattern.text()),
                base: Some(base),
                ttl_seconds: None,
            };
            if self.granted(&what, request) {
                self.narrowed(op, pattern);
                granted.push((op, pattern.clone()));
            }
        }
        granted
    }

    /// Say what of a granted pattern the management of this device takes away.
    fn narrowed(&mut self, op: Op, pattern: &Pattern) {
        let device = &self.session.device;
        if device.narrows(pattern.base()) {
            let what = format!(
                "{} {} outside the folders for agents",
                op.capability(),
                pattern.text()
            );
            self.refuse(&what, managed());
        }
        for folder in device.cut_out(pattern.base()) {
            let what = format!("{} {}", op.capability(), folder.display());
            self.refuse(&what, managed());
        }
    }

    fn names(&mut self, capability: &Capability, names: &[String]) -> Vec<NamePattern> {
        let mut granted = Vec::new();
        for name in names {
            let what = format!("{} {name}", capability.name());
            let request = Request::Negotiate {
                capability: capability.name(),
                known: true,
                item: Some(name),
                base: None,
                ttl_seconds: None,
            };
            // The name was compiled when the manifest was parsed; should it not compile now, it grants nothing.
            if let (true, Ok(pattern)) = (self.granted(&what, request), name_pattern(name)) {
                granted.push(pattern);
            }
        }
        granted
    }

    /// Hosts are judged so that the refusal has the policy's words; there is nothing in [`Grants`] that could hold one.
    fn hosts(&mut self, capability: &Capability, hosts: &[String]) {
        for host in hosts {
            let what = format!("{} {host}", capability.name());
            let request = Request::Negotiate {
                capability: capability.name(),
                known: true,
                item: Some(host),
                base: None,
                ttl_seconds: None,
            };
            let mut said = self.ask(Kind::Negotiate, request);
            said.extend(
                self.bundle
                    .rego
                    .ask_foreign(&self.input(Request::Network { host })),
            );
            said.push(Said::forbid(
                "builtin.network",
                "this agent is local-only: it links no network code",
            ));
            self.strictest(&what, said);
        }
    }

    fn unknown(&mut self, capability: &Capability) {
        let request = Request::Negotiate {
            capability: capability.name(),
            known: false,
            item: None,
            base: None,
            ttl_seconds: None,
        };
        let mut said = self.ask(Kind::Negotiate, request);
        said.push(Said::forbid(
            "builtin.unknown",
            "this product knows no such capability",
        ));
        self.strictest(capability.name(), said);
    }

    /// How long: what was asked, or less. Nothing, where the policy refuses.
    fn seconds(&mut self, asked: u64) -> u64 {
        let request = Request::Negotiate {
            capability: "ttl",
            known: true,
            item: None,
            base: None,
            ttl_seconds: Some(asked),
        };
        let what = format!("ttl_seconds {asked}");
        let verdict = Verdict::of(self.ask(Kind::Negotiate, request));
        if verdict.decision != Outcome::Permit {
            self.refused.push(Refusal {
                what,
                rule: verdict.rule,
                reason: verdict.reason,
            });
            return 0;
        }
        let (cap, by) = match verdict.ttl_seconds {
            Some(cap) => (cap, Said::forbid(&verdict.rule, verdict.reason)),
            None => (u64::MAX, managed_time()),
        };
        let device = self.session.device.ttl_seconds();
        let (cap, by) = if device < cap {
            (device, managed_time())
        } else {
            (cap, by)
        };
        if cap < asked {
            self.refuse(&what, by);
        }
        cap.min(asked)
    }

    fn granted(&mut self, what: &str, request: Request<'_>) -> bool {
        let said = self.ask(Kind::Negotiate, request);
        self.strictest(what, said)
    }

    fn strictest(&mut self, what: &str, said: Vec<Said>) -> bool {
        let verdict = Verdict::of(said);
        let granted = verdict.decision == Outcome::Permit;
        if !granted {
            self.refused.push(Refusal {
                what: what.to_owned(),
                rule: verdict.rule,
                reason: verdict.reason,
            });
        }
        granted
    }

    fn refuse(&mut self, what: &str, said: Said) {
        self.refused.push(Refusal {
            what: what.to_owned(),
            rule: said.rule,
            reason: said.reason,
        });
    }

    fn ask(&self, kind: Kind, request: Request<'_>) -> Vec<Said> {
        self.bundle.rego.ask(kind, &self.input(request))
    }

    fn input<'b>(&'b self, request: Request<'b>) -> Input<'b> {
        let session = Some(SessionView::of(self.session));
        Input {
            request,
            call: None,
            manifest: &self.view,
            grants: None,
            session,
            now: Some(self.now),
        }
    }
}
