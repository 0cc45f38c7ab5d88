//! A feed as Atom.

use std::collections::BTreeMap;

use atom_syndication::extension::{Extension, ExtensionMap};
use atom_syndication::{
    Category, Content, Entry, Feed, FixedDateTime, Generator, Link, Person, Text, TextType,
};

use super::Head;
use super::load::Loaded;
use crate::content::article::{ArticleLine, Carried, Withdrawal, urn};
use crate::entry::{Hash, SiteId};
use crate::scope::Scope;
use crate::web::page::unit;
use crate::web::{WebContext, date, plain_text, render_abroad};

/// RFC 6721.
const TOMBSTONES: &str = "http://purl.org/atompub/tombstones/1.0";
/// Of a text that is too long, what is told, in characters.
const BEGINNING: usize = 200;

/// Takes time that grows with the texts.
pub(super) fn draw(context: &WebContext, head: &Head, loaded: Loaded) -> String {
    let number = loaded.turn.number;
    let page = |number: i64| match number {
        1 => address(context, &head.address),
        number => address(context, &format!("{}?page={number}", head.address)),
    };
    let mut links = vec![
        link("self", page(number), "application/atom+xml"),
        link("alternate", address(context, &head.alternate), "text/html"),
    ];
    let turns = [("previous", loaded.turn.previous), ("next", loaded.turn.next)];
    if turns.iter().any(|(_, number)| number.is_some()) {
        links.push(link("first", page(1), "application/atom+xml"));
    }
    for (rel, number) in turns {
        links.extend(number.map(|number| link(rel, page(number), "application/atom+xml")));
    }
    let newest = loaded.entries.iter().map(|(line, _)| updated(line));
    let newest = newest.chain(loaded.withdrawn.iter().map(|it| it.at_ms)).max();
    let (extensions, namespaces) = tombstones(&loaded.withdrawn);
    let entries = loaded.entries.into_iter().map(|(line, carried)| entry(context, &line, carried));
    let feed = Feed {
        title: plain(&head.title),
        id: feed_urn(context.site, context.listener, head),
        updated: at(newest.unwrap_or(0)),
        authors: vec![person(&context.title)],
        generator: Some(Generator { value: "Lianbo".to_owned(), ..Generator::default() }),
        links,
        subtitle: (!head.subtitle.is_empty()).then(|| plain(&head.subtitle)),
        entries: entries.collect(),
        extensions,
        namespaces,
        lang: Some("zh-CN".to_owned()),
        ..Feed::default()
    };
    feed.to_string()
}

fn entry(context: &WebContext, line: &ArticleLine, carried: Option<Carried>) -> Entry {
    let updated = at(updated(line));
    let unit = unit(context, line.site, &line.unit_name);
    let author = [&line.author, &unit, &context.title].into_iter().find(|it| !it.is_empty());
    let page = address(context, &format!("/article/{}/{}", line.site, line.id));
    let mut links = vec![link("alternate", page, "text/html")];
    if !line.link.is_empty() {
        links.push(link("via", line.link.clone(), ""));
    }
    let category = Category {
        term: line.column.clone(),
        label: Some(xml(&line.column_name)),
        ..Category::default()
    };
    let base = context.url.as_deref().unwrap_or_default();
    let html = carried.map(|it| xml(&render_abroad(base, line.site, &it.article, &it.head.blobs)));
    let beginning = html.as_deref().map(|html| {
        let text = plain_text(html).replace('\n', " ");
        let mut beginning: String = text.chars().take(BEGINNING).collect();
        if beginning.len() < text.len() {
            beginning.push('…');
        }
        plain(&beginning)
    });
    Entry {
        title: plain(&line.title),
        id: urn(line.site, line.id),
        updated,
        published: Some(at(line.published_ms)),
        authors: author.map(|name| person(name)).into_iter().collect(),
        categories: vec![category],
        links,
        rights: (!line.source.is_empty()).then(|| plain(&format!("来源：{}", line.source))),
        // Without its text an entry has to say something.
        summary: Some(beginning.unwrap_or_else(|| plain("全文较长，请打开原文阅读。"))),
        content: html.map(|html| Content {
            content_type: Some("html".to_owned()),
            value: Some(html),
            ..Content::default()
        }),
        ..Entry::default()
    }
}

/// When the article changed as these pages show it: a release shows what was written long before.
fn updated(line: &ArticleLine) -> i64 {
    line.published_ms.max(line.received_ms)
}

fn tombstones(withdrawn: &[Withdrawal]) -> (ExtensionMap, BTreeMap<String, String>) {
    let deleted = |it: &Withdrawal| Extension {
        name: "at:deleted-entry".to_owned(),
        attrs: BTreeMap::from([
            ("ref".to_owned(), urn(it.change.site, it.change.id)),
            ("when".to_owned(), date::machine(it.at_ms)),
        ]),
        ..Extension::default()
    };
    if withdrawn.is_empty() {
        return (ExtensionMap::new(), BTreeMap::new());
    }
    let deleted: Vec<_> = withdrawn.iter().map(deleted).collect();
    let extensions = BTreeMap::from([("deleted-entry".to_owned(), deleted)]);
    (
        ExtensionMap::from([("at".to_owned(), extensions)]),
        BTreeMap::from([("at".to_owned(), TOMBSTONES.to_owned())]),
    )
}

/// Names a feed for good, whatever address it is read under. Each network has feeds of its own.
fn feed_urn(site: SiteId, listener: Scope, head: &Head) -> String {
    let mut named = site.0.to_vec();
    named.push(listener as u8);
    if let Some((site, slug)) = &head.column {
        named.extend_from_slice(&site.0);
        named.extend_from_slice(slug.as_bytes());
    }
    crate::content::article::urn_of(&Hash::of(&named).0)
}

/// An address on these pages: whole where it is known under which one people read them, else to be resolved against
/// the address the feed was got from.
fn address(context: &WebContext, path: &str) -> String {
    format!("{}{path}", context.url.as_deref().unwrap_or_default())
}

fn link(rel: &str, href: String, media_type: &str) -> Link {
    let mime_type = (!media_type.is_empty()).then(|| media_type.to_owned());
    Link { href, rel: rel.to_owned(), mime_type, ..Link::default() }
}

fn person(name: &str) -> Person {
    Person { name: xml(name), ..Person::default() }
}

fn plain(text: &str) -> Text {
    Text { value: xml(text), r#type: TextType::Text, ..Text::default() }
}

fn at(ms: i64) -> FixedDateTime {
    date::machine(ms).parse().unwrap_or_default()
}

/// Without the characters that no XML may hold (XML 1.0, 2.2): one of them and nothing of the feed can be read.
fn xml(text: &str) -> String {
    let fits = |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().filter(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_breaks_the_xml() {
        let odd = "一\0二\u{8}三\u{fffe}四\u{ffff}五\u{1b}六\n七\u{20000}";
        assert_eq!(xml(odd), "一二三四五六\n七\u{20000}");
    }
}
