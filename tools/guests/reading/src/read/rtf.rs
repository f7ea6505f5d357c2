//! Rich text: control words and groups, read without recursion. Pictures, objects and tables of fonts are skipped.

use crate::limits::LIMITS;
use crate::pages::{Page, Pages};
use crate::unreadable::Unreadable;
use values::text::decode;

/// Groups that hold no text of the document.
const SKIPPED: [&str; 16] = [
    "fonttbl",
    "colortbl",
    "stylesheet",
    "info",
    "pict",
    "object",
    "header",
    "footer",
    "headerl",
    "headerr",
    "footerl",
    "footerr",
    "listtable",
    "listoverridetable",
    "themedata",
    "datastore",
];

/// What holds until a group ends.
#[derive(Clone, Copy)]
struct Group {
    skipped: bool,
    /// Characters that stand in for one in Unicode, for readers that do not know it.
    stand_ins: usize,
}

struct Rtf<'a> {
    rest: &'a [u8],
    groups: Vec<Group>,
    group: Group,
    stand_ins_left: usize,
    /// The first half of a letter beyond the Basic Multilingual Plane.
    half: Option<u16>,
    in_row: bool,
    table: bool,
    pages: Pages,
}

pub(super) fn read(bytes: &[u8]) -> Result<Vec<Page>, Unreadable> {
    let group = Group {
        skipped: false,
        stand_ins: 1,
    };
    let mut rtf = Rtf {
        rest: bytes,
        groups: Vec::new(),
        group,
        stand_ins_left: 0,
        half: None,
        in_row: false,
        table: false,
        pages: Pages::new(),
    };
    while let Some((first, rest)) = rtf.rest.split_first() {
        rtf.rest = rest;
        rtf.step(*first)?;
    }
    rtf.pages.finish()
}

impl Rtf<'_> {
    fn step(&mut self, byte: u8) -> Result<(), Unreadable> {
        match byte {
            b'{' if self.groups.len() >= LIMITS.groups => Err(Unreadable::TooLarge(format!(
                "nests more than {} groups",
                LIMITS.groups
            ))),
            b'{' => {
                self.groups.push(self.group);
                Ok(())
            }
            b'}' => {
                self.group = self.groups.pop().unwrap_or(self.group);
                Ok(())
            }
            b'\\' => self.control(),
            b'\r' | b'\n' => Ok(()),
            byte => self.byte(byte),
        }
    }

    fn control(&mut self) -> Result<(), Unreadable> {
        let letters = self
            .rest
            .iter()
            .take_while(|b| b.is_ascii_alphabetic())
            .count();
        let (word, rest) = self.rest.split_at(letters);
        if word.is_empty() {
            return self.symbol();
        }
        let digits = rest.iter().enumerate();
        let length = digits
            .take_while(|(at, b)| b.is_ascii_digit() || *at == 0 && **b == b'-')
            .count();
        let (number, rest) = rest.split_at(length);
        self.rest = rest.strip_prefix(b" ").unwrap_or(rest);
        let number = std::str::from_utf8(number)
            .ok()
            .and_then(|n| n.parse().ok());
        self.word(std::str::from_utf8(word).unwrap_or_default(), number)
    }

    /// `\'e9` is a byte, `\*` marks a group that may be skipped, `\~` is a blank; other symbols stand for themselves.
    fn symbol(&mut self) -> Result<(), Unreadable> {
        let Some((symbol, rest)) = self.rest.split_first() else {
            return Ok(());
        };
        self.rest = rest;
        match symbol {
            b'\'' => {
                let (digits, rest) = rest.split_at(rest.len().min(2));
                self.rest = rest;
                let digits = std::str::from_utf8(digits).unwrap_or_default();
                u8::from_str_radix(digits, 16).map_or(Ok(()), |byte| self.byte(byte))
            }
            b'*' => {
                self.group.skipped = true;
                Ok(())
            }
            b'~' => self.text(" "),
            b'\\' | b'{' | b'}' => self.byte(*symbol),
            _ => Ok(()),
        }
    }

    fn word(&mut self, word: &str, number: Option<i32>) -> Result<(), Unreadable> {
        match word {
            word if SKIPPED.contains(&word) => self.group.skipped = true,
            // The bytes that follow are a picture's or an object's.
            "bin" => {
                let length = number.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
                self.rest = self.rest.get(length..).unwrap_or_default();
            }
            "uc" => {
                self.group.stand_ins = number.and_then(|n| usize::try_from(n).ok()).unwrap_or(1);
            }
            "u" => return self.letter(number.unwrap_or(0)),
            "tab" => return self.text(" "),
            "emdash" | "endash" => return self.text("–"),
            "lquote" | "rquote" => return self.text("'"),
            "ldblquote" | "rdblquote" => return self.text("\""),
            "bullet" => return self.text("•"),
            "trowd" | "intbl" => self.in_row = true,
            "pard" => self.in_row = false,
            _ if self.group.skipped => {}
            "cell" => {
                self.open_table();
                self.pages.end_cell();
            }
            "row" => {
                self.pages.end_row();
                self.in_row = false;
            }
            "par" | "line" | "sect" => {
                self.settle();
                self.pages.end_paragraph();
            }
            "page" => {
                self.settle();
                return self.pages.end_page();
            }
            _ => {}
        }
        Ok(())
    }

    /// A letter by its number in UTF-16, signed; the bytes that stand in for it are passed over.
    fn letter(&mut self, number: i32) -> Result<(), Unreadable> {
        self.stand_ins_left = self.group.stand_ins;
        let Ok(unit) = u16::try_from(number & 0xffff) else {
            return Ok(());
        };
        let units = [self.half.take(), Some(unit)];
        for letter in char::decode_utf16(units.into_iter().flatten()) {
            match letter {
                Ok(letter) => self.text(letter.encode_utf8(&mut [0; 4]))?,
                Err(half) => self.half = Some(half.unpaired_surrogate()),
            }
        }
        Ok(())
    }

    fn byte(&mut self, byte: u8) -> Result<(), Unreadable> {
        if let Some(left) = self.stand_ins_left.checked_sub(1) {
            self.stand_ins_left = left;
            return Ok(());
        }
        // A byte alone is Windows-1252; a NUL is nothing.
        decode(&[byte]).map_or(Ok(()), |text| self.text(&text))
    }

    fn text(&mut self, text: &str) -> Result<(), Unreadable> {
        if self.group.skipped {
            return Ok(());
        }
        self.settle();
        self.pages.text(text)
    }

    /// Text outside of rows ends a table, text in a row begins one.
    fn settle(&mut self) {
        match (self.in_row, self.table) {
            (true, false) => self.open_table(),
            (false, true) => {
                self.table = false;
                self.pages.end_table();
            }
            _ => {}
        }
    }

    fn open_table(&mut self) {
        if !self.table {
            self.table = true;
            self.pages.begin_table();
        }
    }
}
