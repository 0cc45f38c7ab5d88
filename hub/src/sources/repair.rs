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

/// The document, mended. What was well-formed means the same after it.
pub(super) fn mend(text: &str) -> String {
    let mut mended = String::with_capacity(text.len() + text.len() / 64);
    let mut rest = root(body(text), &mut mended);
    loop {
        let Some(at) = rest.bytes().position(odd) else {
            mended.push_str(rest);
            return mended;
        };
        mended.push_str(&rest[..at]);
        rest = &rest[at..];
        rest = match rest.as_bytes()[0] {
            b'<' => markup(rest, &mut mended),
            b'&' => reference(rest, &mut mended),
            0xef => noncharacter(rest, &mut mended),
            // A control character, which XML holds none of.
            _ => &rest[1..],
        };
    }
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

/// Writes the start tag of an `<rss>` root so that it is RSS 2.0 without a namespace; what follows.
fn root<'t>(text: &'t str, mended: &mut String) -> &'t str {
    let Some(tag) = text.strip_prefix("<rss").and_then(|rest| rest.split('>').next()) else {
        return text;
    };
    let known = ["2.0", "0.91", "0.92"]
        .iter()
        .any(|it| attribute(tag, "version").is_some_and(|(.., value)| value == *it));
    if tag.len() > 4096 || (known && attribute(tag, "xmlns").is_none()) {
        return text;
    }
    let mut kept = tag.to_owned();
    for name in ["version", "xmlns"] {
        if let Some((from, to, _)) = attribute(&kept, name) {
            kept.replace_range(from..to, "");
        }
    }
    mended.push_str("<rss version=\"2.0\"");
    mended.push_str(&kept);
    &text["<rss".len() + tag.len()..]
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
    let begins =
        |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'/' | b'?' | 0x80..);
    mended.push_str(if rest.as_bytes().get(1).is_some_and(begins) { "<" } else { "&lt;" });
    &rest[1..]
}

/// A `&`: XML's own references as they are, HTML's as the characters they stand for, others as text.
fn reference<'t>(rest: &'t str, mended: &mut String) -> &'t str {
    let name = rest[1..].split(';').next().filter(|it| {
        it.len() <= LONGEST
            && it.len() + 1 < rest.len()
            && it.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'#')
    });
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
                mended.push_str(&format!("&#{};", u32::from(c)))
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
    }
}
