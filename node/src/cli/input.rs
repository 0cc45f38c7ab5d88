//! Texts from files and stdin, bounded and checked; secrets from where nobody else sees them.

use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Read};
use std::path::Path;

use anyhow::Context as _;
use zeroize::Zeroizing;

use super::advise;
use crate::content::article::TextFormat;
use crate::entry::MAX_BODY;

/// Longest line of a secret, in bytes.
const MAX_SECRET: u64 = 4096;

/// Reads a text of an article or notice: of a file, or of stdin where there is none or it is `-`.
pub fn text(file: Option<&Path>) -> anyhow::Result<String> {
    let file = file.filter(|path| *path != Path::new("-"));
    let (name, bytes) = if let Some(path) = file {
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
        let bytes = bounded(file).with_context(|| format!("cannot read {name}"))?;
        (name, bytes)
    } else {
        let stdin = io::stdin();
        if stdin.is_terminal() {
            super::note("the text, please; Ctrl-D on a line of its own ends it");
        }
        ("stdin".to_owned(), bounded(stdin.lock()).context("cannot read stdin")?)
    };
    if bytes.len() > MAX_BODY {
        let next = "shorten it, or make it several articles; pictures do not belong into the text";
        return Err(advise(format!("{name} is larger than 1 MiB"), next).into());
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        advise(
            format!("{name} is not UTF-8 text: byte {} is not", at + 1),
            format!("convert it first, for example: iconv -f gb18030 -t utf-8 {name}"),
        )
    })?;
    // A byte order mark is no part of the text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text).replace("\r\n", "\n");
    if text.trim().is_empty() {
        let next = "give a file with --file, or the text on stdin";
        return Err(advise(format!("{name} holds no text"), next).into());
    }
    Ok(text)
}

fn bounded(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than fits, to know that it does not.
    from.take(MAX_BODY as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// How a text is written: as told, or as the ending of the file says; Markdown otherwise.
pub fn format(told: Option<TextFormat>, file: Option<&Path>) -> TextFormat {
    let ending = file.and_then(Path::extension).and_then(|it| it.to_str()).unwrap_or_default();
    told.unwrap_or(match ending.to_ascii_lowercase().as_str() {
        "html" | "htm" | "xhtml" => TextFormat::Html,
        _ => TextFormat::Markdown,
    })
}

/// Reads a format for clap.
pub fn parse_format(text: &str) -> Result<TextFormat, String> {
    match text {
        "markdown" => Ok(TextFormat::Markdown),
        "html" => Ok(TextFormat::Html),
        other => Err(format!("unknown format {other:?}: use markdown or html")),
    }
}

/// The first line of a file that holds a secret.
pub fn secret_file(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let name = path.display();
    let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
    first_line(io::BufReader::new(file)).with_context(|| format!("cannot read {name}"))
}

/// The first line of stdin, or what is typed unseen where stdin is a terminal.
pub fn secret(prompt: &str) -> anyhow::Result<Zeroizing<String>> {
    if io::stdin().is_terminal() {
        let terminal = console::Term::stderr();
        terminal.write_str(prompt)?;
        return Ok(Zeroizing::new(terminal.read_secure_line()?));
    }
    first_line(io::stdin().lock()).context("cannot read stdin")
}

fn first_line(from: impl BufRead) -> io::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    from.take(MAX_SECRET).read_line(&mut line)?;
    Ok(Zeroizing::new(line.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn of(bytes: &[u8]) -> anyhow::Result<String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        text(Some(file.path()))
    }

    #[test]
    fn a_text_is_utf_8_not_blank_and_at_most_a_mebibyte() {
        assert_eq!(of("\u{feff}正文\r\n二".as_bytes()).unwrap(), "正文\n二");
        let told = |bytes: &[u8]| of(bytes).unwrap_err().to_string();
        // 正文 in GB 18030.
        assert!(told(b"ok \xd5\xfd\xce\xc4").contains("byte 4 is not"));
        assert!(told(b" \n").contains("holds no text"));
        assert!(told(&vec![b'a'; MAX_BODY + 1]).contains("larger than 1 MiB"));
        assert!(
            text(Some(Path::new("/nonexistent"))).unwrap_err().to_string().contains("/nonexistent")
        );
    }

    #[test]
    fn the_ending_tells_the_format_unless_it_is_told() {
        assert_eq!(format(None, Some(Path::new("a.HTML"))), TextFormat::Html);
        assert_eq!(format(None, Some(Path::new("a.md"))), TextFormat::Markdown);
        assert_eq!(format(None, None), TextFormat::Markdown);
        let told = Some(TextFormat::Markdown);
        assert_eq!(format(told, Some(Path::new("a.html"))), TextFormat::Markdown);
        assert!(parse_format("docx").is_err());
    }
}
