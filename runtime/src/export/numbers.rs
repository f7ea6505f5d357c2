//! Where a person's number ends: account numbers and cards by their check digits, telephone numbers by their length. Pure.

/// Characters of an IBAN by country (ISO 13616, registry of SWIFT). Those of other countries have 15 to 34, and end where a word ends.
pub(super) const IBAN_LENGTHS: &str = "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 FI18 FO18 FR27 GB22 GE22 GI23 \
     GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 \
     RO24 RS22 SA24 SC31 SE24 SI19 SK24 SM27 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20";

/// As long as a digest in MD5, the shortest there is: its digits mean nothing to anybody.
const SHORTEST_DIGEST: usize = 32;

/// Lower-case hex, as digests are written.
pub(super) fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// Whether `from` begins within a digest.
pub(super) fn within_hex(before: &str, from: &str) -> bool {
    let left = before.bytes().rev().take_while(|byte| is_hex(*byte));
    let right = from.bytes().take_while(|byte| is_hex(*byte));
    // No more is counted than decides, so that a long text is not read again for each number in it.
    let count = left.take(SHORTEST_DIGEST).count() + right.take(SHORTEST_DIGEST).count();
    count >= SHORTEST_DIGEST
}

/// The length, in bytes, of the account number that `from` begins with.
pub(super) fn iban(before: &str, from: &str, most: usize) -> Option<usize> {
    let country = from.get(..2)?.to_ascii_uppercase();
    let mut known = IBAN_LENGTHS.split(' ');
    let known = known.find_map(|entry| entry.strip_prefix(&country)?.parse::<usize>().ok());
    let fits = |count: usize, end: usize| match known {
        Some(length) => count == length,
        None => (15..=34).contains(&count) && !before.ends_with(is_word) && ends_word(from, end),
    };
    let holds = |(count, end): &(usize, usize)| {
        fits(*count, *end) && from.get(..*end).is_some_and(is_mod_97)
    };
    ends(from, most).into_iter().rev().find(holds).map(into_end)
}

/// The length of the card's number that `from` begins with: whole groups of digits, 13 to 19 of them.
pub(super) fn card(before: &str, from: &str, most: usize) -> Option<usize> {
    let holds = |(count, end): &(usize, usize)| {
        (13..=19).contains(count)
            && !digit_follows(from, *end)
            && from.get(..*end).is_some_and(is_luhn)
    };
    let ends = ends(from, most);
    let found = ends.into_iter().rev().find(holds).map(into_end);
    found.filter(|_| !before.ends_with(|character: char| character.is_ascii_digit()))
}

/// The length of the telephone number that `from` begins with: eight to fifteen digits (ITU-T E.164) that are no day of a calendar.
pub(super) fn phone(before: &str, from: &str, most: usize) -> Option<usize> {
    let holds = |(count, end): &(usize, usize)| (8..=15).contains(count) && ends_word(from, *end);
    let found = ends(from, most).into_iter().rev().find(holds);
    let found = found.filter(|_| !before.ends_with(is_word) && !is_day(from.as_bytes()));
    found.map(into_end)
}

fn into_end((_, end): (usize, usize)) -> usize {
    end
}

/// After each letter or digit among the first `most` bytes: how many there were, and where it ends.
fn ends(from: &str, most: usize) -> Vec<(usize, usize)> {
    let characters = from.char_indices().take_while(|(at, _)| *at < most);
    let counted = characters.filter(|(_, character)| character.is_ascii_alphanumeric());
    let end = |(before, (at, _)): (usize, (usize, char))| (before + 1, at + 1);
    counted.enumerate().map(end).collect()
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric()
}

fn ends_word(from: &str, end: usize) -> bool {
    !from
        .get(end..)
        .is_some_and(|rest| rest.starts_with(is_word))
}

fn digit_follows(from: &str, end: usize) -> bool {
    let rest = from.get(end..).unwrap_or_default();
    rest.starts_with(|character: char| character.is_ascii_digit())
}

fn digits(text: &str) -> impl DoubleEndedIterator<Item = u32> {
    text.chars().filter_map(|character| character.to_digit(10))
}

/// `01.10.2025`, with any of the three separators: what has this form and a leading zero reads like a telephone number.
fn is_day(text: &[u8]) -> bool {
    match text {
        [b'0', _, a, b'0' | b'1', _, b, b'1' | b'2', year @ ..] => {
            let year = year.first_chunk::<3>();
            a == b
                && matches!(a, b'.' | b'/' | b'-')
                && year.is_some_and(|rest| rest.iter().all(u8::is_ascii_digit))
        }
        _ => false,
    }
}

/// ISO/IEC 7812-1, annex B.
fn is_luhn(text: &str) -> bool {
    let doubled = |(place, digit): (usize, u32)| match (place % 2, digit * 2) {
        (0, _) => digit,
        (_, twice) => twice / 10 + twice % 10,
    };
    let sum: u32 = digits(text).rev().enumerate().map(doubled).sum();
    sum.is_multiple_of(10)
}

/// ISO 7064, mod 97-10, as ISO 13616 has it: the first four characters stand last.
fn is_mod_97(text: &str) -> bool {
    let values: Vec<u32> = text.chars().filter_map(|c| c.to_digit(36)).collect();
    let (country, rest) = values.split_at(values.len().min(4));
    let add = |remainder: u32, value: &u32| match value {
        0..10 => (remainder * 10 + value) % 97,
        _ => (remainder * 100 + value) % 97,
    };
    rest.iter().chain(country).fold(0, add) == 1
}
