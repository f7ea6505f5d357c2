//! A text as a QR code on a terminal, to be taken across a gap by a camera. Touches nothing.

use qrcodegen::{QrCode, QrCodeEcc};

use crate::failure::Failure;

/// Modules of quiet around the code (ISO/IEC 18004 asks for four).
const QUIET: i32 = 4;

/// The code of `text`, two rows of modules a line. Light modules are drawn, for a dark terminal; readers take it either way round.
pub(crate) fn drawn(text: &str) -> Result<String, Failure> {
    let code = QrCode::encode_text(text, QrCodeEcc::Low)
        .map_err(|_| Failure::failed("it is too long for a QR code"))?;
    let reach = -QUIET..code.size() + QUIET;
    let light = |x, y| !code.get_module(x, y);
    let row = |y: i32| -> String {
        let modules = reach.clone().map(|x| match (light(x, y), light(x, y + 1)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        });
        modules.chain(['\n']).collect()
    };
    Ok(reach.clone().step_by(2).map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four pixels a module, read by another's decoder.
    fn read(drawn: &str) -> String {
        let lines: Vec<Vec<char>> = drawn.lines().map(|l| l.chars().collect()).collect();
        let light = |x: usize, y: usize| match lines[y / 2][x] {
            '█' => true,
            '▀' => y.is_multiple_of(2),
            '▄' => !y.is_multiple_of(2),
            _ => false,
        };
        let (width, height) = (lines[0].len() * 4, lines.len() * 8);
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| {
            if light(x / 4, y / 4) { 255 } else { 0 }
        });
        image.detect_grids()[0].decode().unwrap().1
    }

    #[test]
    fn a_camera_reads_what_was_drawn_and_it_fits_eighty_columns() {
        let checkpoint = format!(
            "cloister-ledger/v2/{}\n4096\n{}=\n\n\u{2014} session-{} {}\n",
            "ab".repeat(32),
            "A".repeat(43),
            "0123456789abcdef",
            "B".repeat(91),
        );
        let drawn = drawn(&checkpoint).unwrap();
        assert_eq!(read(&drawn), checkpoint);
        assert!(
            drawn.lines().all(|line| line.chars().count() <= 80),
            "{drawn}"
        );
    }

    #[test]
    fn what_no_code_holds_is_said() {
        assert!(drawn(&"x".repeat(3000)).is_err());
    }
}
