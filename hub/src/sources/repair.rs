//! Mends the XML of feeds that browsers forgive and parsers do not: a stale prolog, control characters, HTML's
//! entities, a bare `&` or `<`, a doctype, a version of RSS nobody knows.

/// HTML's entities that feeds use, and what they stand for.
const ENTITIES: &[(&str, char)] = &[
    ("nbsp", '\u{a0}'),
    ("ensp", '\u{2002}'),
    ("emsp", '\u{2003}'),
    ("thinsp", '\u{2009}'),
    ("ldquo", '“'),
    ("rdquo", '”'),
    ("lsquo", '‘'),
    ("rsquo", '’'),
    ("sbquo", '‚'),
    ("bdquo", '„'),
    ("laquo", '«'),
    ("raquo", '»'),
    ("lsaquo", '‹'),
    ("rsaquo", '›'),
    ("mdash", '—'),
    ("ndash", '–'),
    ("hellip", '…'),
    ("middot", '·'),
    ("bull", '•'),
    ("times", '×'),
    ("divide", '÷'),
    ("plusmn", '±'),
    ("permil", '‰'),
    ("deg", '°'),
    ("sect", '§'),
    ("para", '¶'),
    ("copy", '©'),
    ("reg", '®'),
    ("trade", '™'),
    ("yen", '¥'),
    ("euro", '€'),
    ("pound", '£'),
    ("cent", '¢'),
    ("larr", '←'),
    ("uarr", '↑'),
    ("rarr", '→'),
    ("darr", '↓'),
    ("le", '≤'),
    ("ge", '≥'),
    ("ne", '≠'),
    ("infin", '∞'),
    ("sup2", '²'),
    ("sup3", '³'),
    ("frac12", '½'),
    ("frac14", '¼'),
    ("shy", '\u{ad}'),
    ("zwnj", '\u{200c}'),
    ("zwj", '\u{200d}'),
];

/// Longest name of an entity, or number of a character, that is looked at.
const LONGEST: usize = 12;

/// Longest start tag of a root that is mended, in bytes.
const LONGEST_ROOT: usize = 4096;

/// Namespaces of extensions for sound and film.
const EXTENSIONS: [&str; 3] = [
    "http://search.yahoo.com/mrss/",
    "http://www.itunes.com/dtds/podcast-1.0.dtd",
    "https://podcastindex.org/namespace/1.0",
];

/// The document, mended. What was well-formed means the same after it.
pub(super) fn mend(text: &str) -> String {
    let mut mended = String::with_capacity(text.len() + text.len() / 64);
    let (root, rest) = root(body(text));
    mend_into(&root, &mut mended);
    mend_into(rest, &mut mended);
    mended
}

fn mend_into(text: &str, mended: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(odd) {
        mended.push_str(&rest[..at]);
        rest = &rest[at..];
        rest = match rest.as_bytes()[0] {
            b'<' => markup(rest, mended),
            b'&' => reference(rest, mended),
            0xef => noncharacter(rest, mended),
            // A control character, which XML holds none of.
            _ => &rest[1..],
        };
    }
    mended.push_str(rest);
}

/// Whether a byte may begin something to mend.
fn odd(byte: u8) -> bool {
    matches!(byte, b'<' | b'&' | 0xef | 0..=8 | 11 | 12 | 14..=31)
}

/// Without what stands before the root element: the prolog, whose encoding no longer holds, comments, a doctype.
fn body(text: &str) -> &str {
    let mut rest = text;
    loop {
        rest = rest
            .trim_start_matches(|c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}');
        let after = if rest.starts_with("<?") {
            rest.split_once("?>").map(|(_, after)| after)
        } else if rest.starts_with("<!--") {
            rest.split_once("-->").map(|(_, after)| after)
        } else if rest.starts_with("<!") {
            after_doctype(rest)
        } else {
            return rest;
        };
        match after {
            Some(after) => rest = after,
            None => return "",
        }
    }
}

/// What follows a doctype, with its entities that might be bombs.
fn after_doctype(text: &str) -> Option<&str> {
    let mut inside = false;
    let at = text.bytes().position(|byte| match byte {
        b'[' => {
            inside = true;
            false
        }
        b']' => {
            inside = false;
            false
        }
        b'>' => !inside,
        _ => false,
    })?;
    Some(&text[at + 1..])
}

/// Writes the start tag of the root. An `<rss>` becomes RSS 2.0 without a namespace. Extensions for sound and film are
/// put out of sight: nothing is taken from them, and parsers stumble over them. The tag, and what follows.
fn root(text: &str) -> (String, &str) {
    let tag = text.split('>').next().unwrap_or_default();
    if tag.len() > LONGEST_ROOT {
        return (String::new(), text);
    }
    let mut kept = tag.to_owned();
    for extension in EXTENSIONS {
        kept = kept.replace(extension, "urn:none");
    }
    if let Some(attributes) = kept.strip_prefix("<rss").map(str::to_owned) {
        let mut attributes = attributes;
        let version = attribute(&attributes, "version").map(|(.., value)| value.to_owned());
        if let Some((from, to, _)) = attribute(&attributes, "xmlns") {
            attributes.replace_range(from..to, "");
        }
        if !version.is_some_and(|it| matches!(it.as_str(), "2.0" | "0.91" | "0.92")) {
            if let Some((from, to, _)) = attribute(&attributes, "version") {
                attributes.replace_range(from..to, "");
            }
            attributes.insert_str(0, " version=\"2.0\"");
        }
        kept = format!("<rss{attributes}");
    }
    (kept, &text[tag.len()..])
}

/// Where an attribute stands in a tag, and its value.
fn attribute<'t>(tag: &'t str, name: &str) -> Option<(usize, usize, &'t str)> {
    for (from, _) in tag.match_indices(name) {
        let alone = tag[..from].ends_with(|c: char| c.is_ascii_whitespace());
        let Some(rest) = tag[from + name.len()..].trim_start().strip_prefix('=') else { continue };
        let rest = rest.trim_start();
        let Some(quote) = rest.chars().next().filter(|it| matches!(it, '"' | '\'')) else {
            continue;
        };
        if let (true, Some(length)) = (alone, rest[1..].find(quote)) {
            let value = &rest[1..=length];
            let to = tag.len() - rest.len() + length + 2;
            return Some((from, to, value));
        }
    }
    None
}

/// A `<`: a CDATA section as it is but for control characters, a tag, a comment; anything else is text.
fn markup<'t>(rest: &'t str, mended: &mut String) -> &'t str {
    if rest.starts_with("<![CDATA[") {
        let end = rest.find("]]>").map_or(rest.len(), |at| at + 3);
        mended.extend(rest[..end].chars().filter(|c| !forbidden(*c)));
        return &rest[end..];
    }
    if rest.starts_with("<!--") {
        return rest.split_once("-->").map_or("", |(_, after)| after);
    }
    if let Some(after) = typed(rest, mended) {
        return after;
    }
    let begins =
        |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'/' | b'?' | 0x80..);
    mended.push_str(if rest.as_bytes().get(1).is_some_and(begins) { "<" } else { "&lt;" });
    &rest[1..]
}

/// Texts of Atom say how they are written, and one that says it wrongly spoils the whole feed.
fn typed<'t>(rest: &'t str, mended: &mut String) -> Option<&'t str> {
    const TEXTS: [&str; 5] = ["<content ", "<summary ", "<title ", "<subtitle ", "<rights "];
    if !TEXTS.iter().any(|it| rest.starts_with(it)) {
        return None;
    }
    let end = 1 + rest.bytes().skip(1).take(512).position(|byte| matches!(byte, b'<' | b'>'))?;
    let tag = &rest[..end];
    let (from, to, told) = attribute(tag, "type")?;
    let known = match told.trim().to_ascii_lowercase().as_str() {
        "text" | "text/plain" | "plain" => "text",
        "xhtml" | "application/xhtml+xml" => "xhtml",
        _ => "html",
    };
    if told == known || told.len() > 64 || attribute(tag, "src").is_some() {
        return None;
    }
    mended.push_str(&tag[..from]);
    mended.push_str(&format!("type=\"{known}\""));
    // What follows is looked at like everything else.
    Some(&rest[to..])
}

/// A `&`: XML's own references as they are, HTML's as the characters they stand for, others as text.
fn reference<'t>(rest: &'t str, mended: &mut String) -> &'t str {
    let bytes = rest.as_bytes();
    let end = bytes.iter().take(LONGEST + 2).position(|byte| *byte == b';');
    let name = end
        .map(|end| &rest[1..end])
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'#'));
    let Some(name) = name else {
        mended.push_str("&amp;");
        return &rest[1..];
    };
    let after = &rest[name.len() + 2..];
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => number.parse(),
        };
        match code.ok().and_then(char::from_u32).filter(|c| !forbidden(*c)) {
            // Written as numbers again where they would be markup.
            Some(c @ ('<' | '>' | '&' | '"' | '\'')) => {
                mended.push_str(&format!("&#{};", u32::from(c)));
            }
            Some(c) => mended.push(c),
            None => {}
        }
        return after;
    }
    if matches!(name, "amp" | "lt" | "gt" | "quot" | "apos") {
        mended.push_str(&rest[..name.len() + 2]);
    } else if let Some((_, c)) = ENTITIES.iter().find(|(known, _)| *known == name) {
        mended.push(*c);
    } else {
        mended.push_str("&amp;");
        return &rest[1..];
    }
    after
}

/// A character that begins with byte EF: most are Chinese punctuation.
fn noncharacter<'t>(rest: &'t str, mended: &mut String) -> &'t str {
    let mut chars = rest.chars();
    if let Some(c) = chars.next().filter(|c| !forbidden(*c)) {
        mended.push(c);
    }
    chars.as_str()
}

/// What XML 1.0 (section 2.2) holds nowhere.
fn forbidden(c: char) -> bool {
    matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_parsers_choke_on_is_mended_and_the_rest_stays() {
        for (broken, whole) in [
            ("\u{feff} \n<?xml version='1.0' encoding='gb2312'?>\n<a>甲</a>", "<a>甲</a>"),
            ("<!DOCTYPE rss [<!ENTITY a '>'>]><!-- x --><a/>", "<a/>"),
            ("<a>甲\u{0}\u{8}\u{b}\u{1f}乙\u{ffff}，\t\n</a>", "<a>甲乙，\t\n</a>"),
            (
                "<a>R&D &amp; AT&T&nbsp;&mdash;&foo; &#60;&#x3C;&#12;&#20013;&</a>",
                "<a>R&amp;D &amp; AT&amp;T\u{a0}—&amp;foo; &#60;&#60;中&amp;</a>",
            ),
            ("<a href='?x=1&y=2'>1 < 2 <3</a>", "<a href='?x=1&amp;y=2'>1 &lt; 2 &lt;3</a>"),
            ("<a><![CDATA[<b>&nbsp;&\u{1}</b>]]>&</a>", "<a><![CDATA[<b>&nbsp;&</b>]]>&amp;</a>"),
            ("<a>甲<!-- \u{1} & -->乙</a>", "<a>甲乙</a>"),
            ("<a>&amp;nbsp;&lt;b&gt;</a>", "<a>&amp;nbsp;&lt;b&gt;</a>"),
            ("<rss><channel/></rss>", "<rss version=\"2.0\"><channel/></rss>"),
            (
                "<rss version='2.0' xmlns:a='b'><c/></rss>",
                "<rss version='2.0' xmlns:a='b'><c/></rss>",
            ),
            (
                "<rss xmlns=\"http://backend.userland.com/rss2\" version=\"2.01\" xmlns:a='b'>x",
                "<rss version=\"2.0\"   xmlns:a='b'>x",
            ),
        ] {
            assert_eq!(mend(broken), whole);
        }
    }

    #[test]
    fn unfinished_documents_do_not_hang_it() {
        for text in [
            "",
            "<?xml",
            "<!--",
            "<!DOCTYPE [",
            "<a><![CDATA[x",
            "<a><!-- x",
            "&",
            "<",
            "<rss",
            "<rss version=",
        ] {
            mend(text);
        }
        mend(&"&".repeat(1 << 20));
        mend(&"<!--".repeat(1 << 18));
        mend(&"<![CDATA[".repeat(1 << 17));
        mend(&format!("<rss{}", " version".repeat(1 << 17)));
        mend(&format!("<a>{}", "<title type=".repeat(1 << 17)));
        mend(&format!("<a>{}", "<title type='".repeat(1 << 17)));
        mend(&"<!DOCTYPE [".repeat(1 << 17));
    }
}
