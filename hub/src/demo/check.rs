//! Looks through every front door and into every store whether everything is where it belongs, and nowhere else.

use std::collections::BTreeSet;
use std::time::Instant;

use lianbo_node::args;
use lianbo_node::cli::{advise, output, print};
use lianbo_node::content::receipt::Stage;
use lianbo_node::content::{article, notice};
use lianbo_node::scope::{Reader, Scope};
use lianbo_node::store::Tx;

use super::county::{County, Pages, SiteHere};
use super::expect::{Row, rows};
use super::plant::Planted;
use super::province::Harvested;
use super::script::Place;
use super::settle::{receipts, settle, settle_province};
use crate::local::fetch::Fetch;

/// Widest a title gets in the table, in terminal columns.
const TITLE: usize = 34;

/// Waits for everything, checks everything, prints the table; fails where something is wrong.
pub(super) async fn check(
    county: &County,
    fetch: &Fetch,
    mut planted: Planted,
    began: Instant,
) -> anyhow::Result<()> {
    settle(county, &mut planted).await?;
    let rows = rows(county, &planted)?;
    settle_province(county, &rows).await?;
    let settled = began.elapsed();
    let mut lists = Vec::new();
    for pages in &county.pages {
        lists.push(read_lists(fetch, pages).await?);
    }
    let mut lines = Vec::new();
    let (mut cells, mut wrong) = (0, Vec::<String>::new());
    let mut blamed = BTreeSet::new();
    for row in &rows {
        let mut line = vec![narrow(row.title), row.author.short().to_owned(), row.about.clone()];
        let mut note = |place: Place, name: String, expected: bool, problem: Option<String>| {
            cells += 1;
            line.push(
                if problem.is_some() {
                    "✗"
                } else if expected {
                    "✓"
                } else {
                    "–"
                }
                .to_owned(),
            );
            if let Some(problem) = problem {
                wrong.push(format!("✗ 《{}》, {name}: {problem}", row.title));
                blamed.insert(place);
            }
        };
        for (pages, list) in county.pages.iter().zip(&lists) {
            let expected = row.on_page(pages);
            let problem = on_page(fetch, pages, list, row, expected).await?;
            note(pages.place, format!("pages of {}", page_name(pages)), expected, problem);
        }
        for (place, site) in &county.sites {
            let expected = row.in_store(*place);
            let problem = in_store(site, row, expected).await?;
            note(*place, format!("store of {}", place.short()), expected, problem);
        }
        let problem = in_province(county, row)?;
        note(Place::Hub, "the province".to_owned(), row.in_province(), problem);
        lines.push(line);
    }
    let names: Vec<String> = county.pages.iter().map(page_name).collect();
    let stores: Vec<String> = Place::ALL.iter().map(|it| format!("{}/db", it.short())).collect();
    let mut heads = vec!["title", "by", "scope, what became of it"];
    heads.extend(names.iter().chain(&stores).map(String::as_str));
    heads.push("province");
    print::text(&format!(
        "\n{}\n{}\n{}",
        output::table(&heads, lines),
        legend(county),
        extras(county, &planted).await?
    ))?;
    let (rows, took) = (rows.len(), began.elapsed());
    if wrong.is_empty() {
        return Ok(print::text(&format!(
            "all right: {rows} articles and notices, {cells} places looked at; settled after {:.1} s, \
             checked after {:.1} s\n",
            settled.as_secs_f64(),
            took.as_secs_f64()
        ))?);
    }
    let mut what = format!("{} of {cells} places are wrong\n{}", wrong.len(), wrong.join("\n"));
    for place in blamed {
        what.push('\n');
        what.push_str(&county.site(place)?.server.tail());
    }
    Err(advise(what, "run it with --keep DIR and look into the sites with `article list`").into())
}

/// Name of a page server: `hub:public`, `village`.
pub(super) fn page_name(pages: &Pages) -> String {
    match pages.place {
        Place::Hub => format!(
            "hub:{}",
            if pages.scope == Scope::Organization { "org" } else { pages.scope.as_str() }
        ),
        place => place.short().to_owned(),
    }
}

/// Every list people find things by: the home page, what units sent up, the notices.
async fn read_lists(fetch: &Fetch, pages: &Pages) -> anyhow::Result<String> {
    let address = &pages.address;
    let (status, mut all) = fetch.get(&format!("{address}/")).await?;
    anyhow::ensure!(status == 200, "the home page {address}/ answers {status}");
    for path in ["/units", "/notices"] {
        // A page that is not served holds no entry of a list either.
        all.push_str(&fetch.get(&format!("{address}{path}")).await?.1);
    }
    Ok(all)
}

/// What is wrong with a thing on a page server; `None` if nothing is.
async fn on_page(
    fetch: &Fetch,
    pages: &Pages,
    lists: &str,
    row: &Row,
    expected: bool,
) -> anyhow::Result<Option<String>> {
    let url = format!("{}{}", pages.address, row.path);
    let (status, text) = fetch.get(&url).await?;
    let listed = lists.contains(&format!("\"{}\"", row.path));
    if let Some(picture) = &row.picture {
        let (status, bytes) = fetch.get(&format!("{}{picture}", pages.address)).await?;
        let shown = text.contains(&format!("src=\"{picture}\""));
        let problem = match (expected, status, shown) {
            (true, 200, true) if bytes.contains("PNG") => None,
            (true, ..) => Some("its picture is missing"),
            (false, 404, false) => None,
            (false, ..) => Some("its picture stands where it may not"),
        };
        if let Some(problem) = problem {
            return Ok(Some(format!("{problem} ({url} answers {status} for it)")));
        }
    }
    let problem = match (expected, status, listed) {
        (true, 200, true) if text.contains(row.title) => return Ok(None),
        (true, 200, true) => "its page shows another revision",
        (true, 200, false) => "its page is there but no list leads to it",
        (true, ..) => "it is missing",
        (false, 404, false) if lists.contains(row.title) => "a list tells its title",
        (false, 404, false) => return Ok(None),
        (false, 404, true) => "a list leads to it",
        (false, ..) => "it stands where it may not",
    };
    Ok(Some(format!("{problem} ({url} answers {status})")))
}

/// What is wrong with a thing in a store; `None` if nothing is.
async fn in_store(site: &SiteHere, row: &Row, expected: bool) -> anyhow::Result<Option<String>> {
    let reader = Reader::desk(site.id);
    let mut tx = site.store.read().await?;
    let title = if row.article {
        article::get(&mut tx, reader, row.site, row.id).await?.map(|it| it.line.title)
    } else {
        notice::get(&mut tx, reader, row.site, row.id).await?.map(|it| it.line.title)
    };
    let held = title.is_some() || !row.withdrawn() && in_tables(&mut tx, row).await?;
    Ok(match (expected, title) {
        (true, Some(title)) if title == row.title => None,
        (true, Some(_)) => Some("it holds another revision".to_owned()),
        (true, None) => Some("it is missing".to_owned()),
        (false, _) if held => Some("it holds what it may not".to_owned()),
        (false, _) => None,
    })
}

/// What is wrong with what the province took over.
fn in_province(county: &County, row: &Row) -> anyhow::Result<Option<String>> {
    Ok(match county.province()?.harvested(row.site, row.id)? {
        Harvested::Article(title) if row.in_province() => {
            (title != row.title).then(|| format!("it has it as 《{title}》"))
        }
        Harvested::Article(_) => Some("it has what it may not".to_owned()),
        _ if row.in_province() => Some("it does not have it".to_owned()),
        _ => None,
    })
}

/// Whether anything of it is in the tables, for whomever: a desk is not shown what is addressed to others.
async fn in_tables(tx: &mut Tx, row: &Row) -> anyhow::Result<bool> {
    let table = if row.article { "article_revisions" } else { "notices" };
    let sql = format!("SELECT 1 FROM {table} WHERE site = $1 AND id = $2 LIMIT 1");
    Ok(tx.optional(&sql, args![row.site, row.id]).await?.is_some())
}

fn legend(county: &County) -> String {
    let mut text = String::from("✓ there  – rightly absent  ✗ wrong\n");
    for pages in &county.pages {
        let (name, place) = (page_name(pages), pages.place.name());
        text.push_str(&format!("{name:14} {place} {} pages, {}\n", pages.scope, pages.address));
    }
    text.push_str("…/db           the site's own database\n");
    text.push_str("province       省委组织部, which harvests what the hub publishes\n");
    text
}

/// Receipts, and what has gone from the public page.
async fn extras(county: &County, planted: &Planted) -> anyhow::Result<String> {
    let mut text = String::new();
    for (notice, id) in &planted.notices {
        let told = receipts(county, *id).await?;
        let names = |stage: Stage| {
            let of: Vec<_> = told.iter().filter(|it| it.1 == stage).map(|it| it.0.name()).collect();
            if of.is_empty() { "nobody".to_owned() } else { of.join(" ") }
        };
        let (delivered, signed) = (names(Stage::Delivered), names(Stage::Signed));
        text.push_str(&format!(
            "receipts for 《{}》: delivered to {delivered}; signed by {signed}\n",
            notice.title
        ));
    }
    for address in &planted.gone {
        text.push_str(&format!("was public until its author withdrew it, now gone: {address}\n"));
    }
    Ok(text)
}

fn narrow(title: &str) -> String {
    console::truncate_str(title, TITLE, "…").into_owned()
}
