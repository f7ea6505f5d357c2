//! Negotiation: what of a manifest the policy grants. The result is a subset of what was asked, by construction. Touches nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::bundle::Bundle;
use crate::call::Call;
use crate::decision::Refusal;
use crate::grants::{
    Asked, Grants, Lease, Leased, NamePattern, Negotiated, Op, TOOL, calls, package,
};
use crate::manifest::{Bounds, Capability, Manifest, Scope, name_pattern};
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
            ttl: manifest.ttl(),
            session,
            now,
            refused: Vec::new(),
        };
        let reserved = table.reserved();
        let (mut paths, mut tools, mut models) = (Vec::new(), None, None);
        for (number, capability) in manifest.capabilities().iter().enumerate() {
            let asked = Entry { number, capability };
            match capability.scope() {
                Scope::Paths(op, patterns) => {
                    paths.extend(table.paths(asked, *op, patterns, &reserved));
                }
                Scope::Hosts(hosts) => table.hosts(capability, hosts),
                Scope::Tools(names) => tools
                    .get_or_insert_with(Vec::new)
                    .extend(table.tools(asked, names)),
                Scope::Models(names) => models
                    .get_or_insert_with(Vec::new)
                    .extend(table.models(capability, names)),
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
            since: now,
            until: now.plus_seconds(seconds),
            reserved: reserved.unwrap_or_default(),
            ceiling: session.device.clone(),
            spent: BTreeMap::new(),
            used: BTreeMap::new(),
        };
        Negotiated { grants, refused }
    }

    /// What stands for the tool of `call` where the manifest names no tools and so asks for all: the policy is asked about this one, by its own name
    /// and its package's, as if it had been named. A rule that has something against either is heard; one name that no rule knows is no refusal.
    pub(crate) fn implied(
        &self,
        call: &Call,
        grants: &Grants,
        session: &Session,
        now: UnixMillis,
    ) -> Result<Option<Lease>, Said> {
        if grants.tools.is_some() {
            return Ok(None);
        }
        let names = [call.tool(), package(call.tool())];
        let said = names.into_iter().flat_map(|name| {
            let input = Input {
                request: tool(name),
                call: None,
                manifest: grants.manifest(),
                grants: None,
                session: Some(SessionView::of(session)),
                now: Some(now),
            };
            self.rego.hear(Kind::Negotiate, &input)
        });
        let verdict = Verdict::of(said.collect());
        if verdict.decision != Outcome::Permit {
            return Err(Said::forbid(&verdict.rule, verdict.reason));
        }
        let most = verdict.max_uses.unwrap_or(u64::MAX);
        let longest = verdict.ttl_seconds.unwrap_or(u64::MAX);
        Ok(Some(Lease {
            asked: None,
            most: most.min(grants.ceiling.max_uses()),
            until: grants.since.plus_seconds(longest),
        }))
    }
}

/// The question about a tool of no capability of its own.
fn tool(name: &str) -> Request<'_> {
    Request::Negotiate {
        capability: TOOL,
        known: true,
        item: Some(name),
        base: None,
        ttl_seconds: None,
        max_uses: None,
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

fn managed_uses() -> Said {
    Said::forbid(
        "device.uses",
        "the management of this device grants each capability for fewer calls",
    )
}

/// A capability, and its place in the manifest.
#[derive(Clone, Copy)]
struct Entry<'a> {
    number: usize,
    capability: &'a Capability,
}

/// One negotiation.
struct Table<'a> {
    bundle: &'a Bundle,
    view: ManifestView,
    /// What the manifest asks for, seconds.
    ttl: u64,
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
        asked: Entry<'_>,
        op: Op,
        patterns: &[Pattern],
        reserved: &Option<Vec<PathBuf>>,
    ) -> Vec<Leased<(Op, Pattern)>> {
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
            if let Some(lease) = self.leased(asked, &what, pattern.text(), Some(base)) {
                self.narrowed(op, pattern);
                let item = (op, pattern.clone());
                granted.push(Leased { item, lease });
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

    fn tools(&mut self, asked: Entry<'_>, names: &[String]) -> Vec<Leased<NamePattern>> {
        let mut granted = Vec::new();
        for name in names {
            let what = format!("{} {name}", asked.capability.name());
            // The name was compiled when the manifest was parsed; should it not compile now, it grants nothing.
            if let (Some(lease), Ok(item)) =
                (self.leased(asked, &what, name, None), name_pattern(name))
            {
                granted.push(Leased { item, lease });
            }
        }
        granted
    }

    fn models(&mut self, capability: &Capability, names: &[String]) -> Vec<NamePattern> {
        let mut granted = Vec::new();
        for name in names {
            let what = format!("{} {name}", capability.name());
            let request = Request::Negotiate {
                capability: capability.name(),
                known: true,
                item: Some(name),
                base: None,
                ttl_seconds: None,
                max_uses: None,
            };
            let mut said = self.ask(Kind::Negotiate, request);
            let bounds = |said: &Said| said.max_uses.or(said.ttl_seconds).is_some();
            if said.iter().any(bounds) {
                said.push(Said::forbid(
                    "builtin.bounds",
                    "nobody counts or times the uses of a model, and a rule asks for that",
                ));
            }
            if let (Some(_), Ok(pattern)) = (self.strictest(&what, said), name_pattern(name)) {
                granted.push(pattern);
            }
        }
        granted
    }

    /// How often and how long one thing of a capability may be used: what was asked, or less. Nothing, where the policy refuses it.
    fn leased(
        &mut self,
        asked: Entry<'_>,
        what: &str,
        item: &str,
        base: Option<&str>,
    ) -> Option<Lease> {
        let Entry { number, capability } = asked;
        let Bounds {
            max_uses,
            ttl_seconds,
        } = capability.bounds();
        let request = Request::Negotiate {
            capability: capability.name(),
            known: true,
            item: Some(item),
            base,
            ttl_seconds,
            max_uses,
        };
        let said = self.ask(Kind::Negotiate, request);
        let verdict = self.strictest(what, said)?;
        let by = || Said::forbid(&verdict.rule, verdict.reason.clone());
        let longest = verdict.ttl_seconds.unwrap_or(u64::MAX);
        let seconds = ttl_seconds.unwrap_or(u64::MAX).min(longest);
        if longest < ttl_seconds.unwrap_or(self.ttl) {
            self.refuse(&format!("{what} after {longest} s"), by());
        }
        let device = self.session.device.max_uses();
        let (most, by) = match verdict.max_uses {
            Some(policy) if policy <= device => (policy, by()),
            _ => (device, managed_uses()),
        };
        if most < max_uses.unwrap_or(u64::MAX) {
            self.refuse(&format!("{what} in more than {}", calls(most)), by);
        }
        let asked = Asked {
            capability: number,
            uses: max_uses.unwrap_or(u64::MAX),
        };
        Some(Lease {
            asked: Some(asked),
            most,
            until: self.now.plus_seconds(seconds),
        })
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
                max_uses: None,
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
            max_uses: None,
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
            max_uses: None,
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

    /// What all say together, where that is yes.
    fn strictest(&mut self, what: &str, said: Vec<Said>) -> Option<Verdict> {
        let verdict = Verdict::of(said);
        if verdict.decision == Outcome::Permit {
            return Some(verdict);
        }
        self.refused.push(Refusal {
            what: what.to_owned(),
            rule: verdict.rule,
            reason: verdict.reason,
        });
        None
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
