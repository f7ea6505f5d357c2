//! Bytes of tokens on their way out: whole characters only, nothing of a stop string, calls taken apart while they are written.

use crate::job::Piece;

/// What was fed and not yet let go.
#[derive(Debug, Default)]
pub(crate) struct Outflow {
    held: Vec<u8>,
}

/// What may go out, and which of the stops came after it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) text: String,
    pub(crate) stop: Option<usize>,
}

impl Outflow {
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// Everything up to the first stop, which is swallowed; or as much as certainly belongs to none and ends with a whole character.
    pub(crate) fn take(&mut self, stops: &[&str]) -> Taken {
        if let Some((at, index, length)) = self.first(stops) {
            let text = self.held.drain(..at).collect::<Vec<u8>>();
            self.held.drain(..length);
            return Taken {
                text: String::from_utf8_lossy(&text).into_owned(),
                stop: Some(index),
            };
        }
        let keep = stops
            .iter()
            .map(|stop| overlap(&self.held, stop.as_bytes()))
            .max()
            .unwrap_or(0);
        let free = self.held.len().saturating_sub(keep);
        let whole = whole_characters(self.held.get(..free).unwrap_or_default());
        let text: Vec<u8> = self.held.drain(..whole).collect();
        Taken {
            text: String::from_utf8_lossy(&text).into_owned(),
            stop: None,
        }
    }

    /// Whatever is left, at the end.
    pub(crate) fn rest(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.held)).into_owned()
    }

    /// Where the earliest stop is, which one, and its length; of two at one place the longer.
    fn first(&self, stops: &[&str]) -> Option<(usize, usize, usize)> {
        let found = stops.iter().enumerate().filter_map(|(index, stop)| {
            let at = self
                .held
                .windows(stop.len().max(1))
                .position(|window| window == stop.as_bytes())?;
            Some((at, index, stop.len()))
        });
        found.min_by_key(|(at, _, length)| (*at, std::cmp::Reverse(*length)))
    }
}

/// Length of the longest end of `text` that `stop` begins with.
fn overlap(text: &[u8], stop: &[u8]) -> usize {
    (1..stop.len())
        .rev()
        .find(|length| stop.get(..*length).is_some_and(|head| text.ends_with(head)))
        .unwrap_or(0)
}

/// Length without a character that is cut at the end. Bytes that can never become a character count as whole.
fn whole_characters(bytes: &[u8]) -> usize {
    let from = bytes.len().saturating_sub(3);
    let lead = (from..bytes.len()).rev().find_map(|at| {
        let byte = *bytes.get(at)?;
        (byte & 0b1100_0000 != 0b1000_0000).then_some((at, byte))
    });
    let needed = |byte: u8| match byte {
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf7 => 4,
        _ => 1,
    };
    match lead {
        Some((at, byte)) if bytes.len().saturating_sub(at) < needed(byte) => at,
        _ => bytes.len(),
    }
}

/// Where in a call the text is; see `Constraint::calls` for the form.
#[derive(Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Before,
    Name(String),
    Arguments,
}

/// Takes calls apart while they are written. The constraint made the text, so nothing else than calls can come.
#[derive(Debug, Default)]
pub(crate) struct CallReader {
    outflow: Outflow,
    place: Place,
}

impl CallReader {
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<Piece> {
        self.outflow.feed(bytes);
        let mut pieces = Vec::new();
        while self.step(&mut pieces) {}
        pieces
    }

    /// Goes on to the next place; false when more has to come first.
    fn step(&mut self, pieces: &mut Vec<Piece>) -> bool {
        let end = match self.place {
            Place::Before => "{\"name\": ",
            Place::Name(_) => ", \"arguments\": ",
            Place::Arguments => "}\n</tool_call>",
        };
        let Taken { text, stop } = self.outflow.take(&[end]);
        match &mut self.place {
            Place::Before => {}
            Place::Name(name) => name.push_str(&text),
            Place::Arguments if text.is_empty() => {}
            Place::Arguments => pieces.push(Piece::Arguments(text)),
        }
        if stop.is_none() {
            return false;
        }
        self.place = match std::mem::take(&mut self.place) {
            Place::Before => Place::Name(String::new()),
            Place::Name(name) => {
                pieces.push(Piece::Call(serde_json::from_str(&name).unwrap_or(name)));
                Place::Arguments
            }
            Place::Arguments => Place::Before,
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What goes out when the bytes come one by one.
    fn trickled(bytes: &[u8], stops: &[&str]) -> (Vec<String>, Option<usize>) {
        let mut outflow = Outflow::default();
        let mut out = Vec::new();
        for byte in bytes {
            outflow.feed(&[*byte]);
            let Taken { text, stop } = outflow.take(stops);
            if !text.is_empty() {
                out.push(text);
            }
            if stop.is_some() {
                return (out, stop);
            }
        }
        out.push(outflow.rest());
        (out, None)
    }

    #[test]
    fn nothing_of_a_stop_goes_out_and_nothing_else_is_lost() {
        for (text, stops, wanted, which) in [
            ("one END two", &["END"][..], "one ", Some(0)),
            ("one EN two", &["END"], "one EN two", None),
            ("aab", &["ab"], "a", Some(0)),
            ("EEND", &["END", "EN!"], "E", Some(0)),
            ("x</s>", &["nothing", "</s>"], "x", Some(1)),
            ("no stop", &[], "no stop", None),
            ("EN", &["END"], "EN", None),
        ] {
            let (out, stop) = trickled(text.as_bytes(), stops);
            assert_eq!((out.concat().as_str(), stop), (wanted, which), "{text}");
        }
    }

    #[test]
    fn a_stop_is_found_whole_as_well_as_in_pieces() {
        let mut outflow = Outflow::default();
        outflow.feed(b"one END two");
        let taken = outflow.take(&["two", "END"]);
        assert_eq!((taken.text.as_str(), taken.stop), ("one ", Some(1)));
        assert_eq!(outflow.rest(), " two");
    }

    #[test]
    fn characters_are_never_cut() {
        let text = "größe 日本 😀!";
        let (out, _) = trickled(text.as_bytes(), &["x"]);
        assert_eq!(out.concat(), text);
        assert!(
            out.iter().all(|piece| !piece.contains('\u{fffd}')),
            "{out:?}"
        );
        let (out, _) = trickled(b"a\xffb\xf0", &[]);
        assert_eq!(out.concat(), "a\u{fffd}b\u{fffd}");
    }

    #[test]
    fn calls_are_taken_apart_however_they_come() {
        let text = "<tool_call>\n{\"name\": \"a\", \"arguments\": {\"x\": \"}</tool_call>\"}}\n</tool_call>\n\
                    <tool_call>\n{\"name\": \"b.c\", \"arguments\": {}}\n</tool_call>";
        for size in 1..text.len() {
            let mut reader = CallReader::default();
            let mut calls: Vec<(String, String)> = Vec::new();
            for piece in text
                .as_bytes()
                .chunks(size)
                .flat_map(|bytes| reader.feed(bytes))
            {
                match piece {
                    Piece::Call(name) => calls.push((name, String::new())),
                    Piece::Arguments(text) => calls.last_mut().unwrap().1.push_str(&text),
                    Piece::Text(..) => unreachable!(),
                }
            }
            let wanted = [("a", "{\"x\": \"}</tool_call>\"}"), ("b.c", "{}")];
            assert_eq!(
                calls,
                wanted.map(|(n, a)| (n.to_owned(), a.to_owned())),
                "{size}"
            );
        }
    }
}
