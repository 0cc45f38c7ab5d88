//! What is told once everything runs: the addresses, and what to try.

use std::path::Path;

use anyhow::Context as _;

use super::check::page_name;
use super::county::County;
use super::plant::Planted;
use super::script::{Place, To};

/// The addresses, and commands ready to paste.
pub(super) fn guide(county: &County, planted: &Planted) -> anyhow::Result<String> {
    let mut text =
        String::from("\nOpen in a browser (what an anonymous reader of each network sees):\n");
    for pages in &county.pages {
        let (name, address) = (page_name(pages), &pages.address);
        text.push_str(&format!("  {name:14} {address}/   {}\n", pages.place.name()));
    }
    text.push_str("Figures, readiness:\n");
    for (place, site) in &county.sites {
        let address = site.server.address("metrics")?;
        text.push_str(&format!("  {:14} {address}\n", place.short()));
    }
    let hub = line(county, Place::Hub)?;
    let township = line(county, Place::Township)?;
    let village = line(county, Place::Village)?;
    let notice = planted.notices.iter().find(|(it, _)| matches!(it.to, To::Scope(_)));
    let (_, notice) = notice.context("the script has no notice to a scope")?;
    let piece = |place: Place| {
        let mut of = planted.articles.iter().filter(|(it, _)| it.author == place);
        of.find(|(it, _)| it.released.is_none() && it.withdrawn.is_none() && it.to.is_none())
    };
    let (_, article) = piece(Place::Village).context("the village has no piece to release")?;
    text.push_str(&format!(
        "\nWhat to try, in another terminal (--help tells more, --json answers for programs):\n\
         \n  # how far each site is, and how a node stands with its hub\n\
         {hub} sites\n{village} status\n\
         \n  # write at the village, watch it come to the hub, then publish it on the internet\n\
         echo '今天的风很轻。' | {village} article add --column members --title '村口的银杏黄了' --scope organization\n\
         {hub} article list --unit {unit}\n\
         {hub} article release {article} --scope public --approved-by 分管副部长\n\
         \n  # withdraw it again, and see who has applied that\n\
         {village} article retract {article} --reason '内容有误'\n\
         {hub} article retractions\n\
         \n  # sign for a notice, and see who has not\n\
         {village} notice sign {notice} --person 支部书记\n\
         {hub} notice status {notice}\n\
         \n  # every signature, hash and chain once more\n\
         {township} verify\n\
         \nLive, until Ctrl-C:\n",
        unit = Place::Village.code(),
    ));
    Ok(text)
}

/// The beginning of a command at a site's desk.
fn line(county: &County, place: Place) -> anyhow::Result<String> {
    let program = quoted(county.program(place));
    Ok(format!("{program} --data {}", quoted(&county.site(place)?.data)))
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
