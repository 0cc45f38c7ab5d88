//! Puts the script into the county, through the programs' own commands.

use std::time::Duration;

use anyhow::Context as _;
use lianbo_node::cli::time::{beijing_text, rfc3339};
use lianbo_node::clock::{Clock as _, SystemClock};
use lianbo_node::entry::RecordId;

use super::county::County;
use super::script::{NOTICES, Notice, PIECES, Piece, Place, To};
use crate::local::fetch::Fetch;

const HOUR_MS: i64 = 3_600_000;
/// How often is looked whether something has come.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// What was planted.
#[derive(Debug, Default)]
pub(super) struct Planted {
    pub(super) articles: Vec<(Piece, RecordId)>,
    pub(super) notices: Vec<(Notice, RecordId)>,
    /// Public addresses at which a piece had stood before it was withdrawn.
    pub(super) gone: Vec<String>,
}

/// Plants everything. A site writes in the script's order; the hub's decisions follow when it has the piece.
pub(super) async fn plant(county: &County, fetch: &Fetch) -> anyhow::Result<Planted> {
    let columns = Place::ALL.map(|place| add_columns(county, place));
    futures_util::future::try_join_all(columns).await?;
    let mut planted = Planted::default();
    for notice in NOTICES {
        planted.notices.push((notice.clone(), issue(county, notice).await?));
    }
    for piece in PIECES {
        planted.articles.push((piece.clone(), write(county, piece).await?));
    }
    for (piece, id) in &planted.articles {
        revise(county, piece, *id).await?;
    }
    for (piece, id) in &planted.articles {
        release(county, fetch, piece, *id, &mut planted.gone).await?;
        if let Some(reason) = piece.withdrawn {
            let retract = ["article", "retract", &id.to_string(), "--reason", reason];
            county.at(piece.author, &retract, "").await?;
        }
    }
    for (notice, id) in &planted.notices {
        for (place, person) in notice.signed {
            until(county, *place, *id, false).await?;
            let sign = ["notice", "sign", &id.to_string(), "--person", person];
            county.at(*place, &sign, "").await?;
        }
    }
    Ok(planted)
}

async fn add_columns(county: &County, place: Place) -> anyhow::Result<()> {
    for (rank, (slug, name, description)) in place.columns().iter().enumerate() {
        // The hub's columns are for readers on the internet too.
        let scope = if place == Place::Hub { "public" } else { "organization" };
        let rank = rank.to_string();
        let add = ["column", "add", slug, "--name", name, "--description", description];
        let rest = ["--rank", &rank, "--scope", scope];
        county.at(place, &[add.as_slice(), &rest].concat(), "").await?;
    }
    Ok(())
}

/// Writes a piece at its author's desk.
pub(super) async fn write(county: &County, piece: &Piece) -> anyhow::Result<RecordId> {
    let published = rfc3339(SystemClock.now() - piece.hours * HOUR_MS);
    let mut add = vec!["article", "add", "--column", piece.column, "--title", piece.title];
    add.extend(["--scope", piece.scope.as_str(), "--published", &published]);
    add.extend([
        "--source",
        if piece.source.is_empty() { piece.author.name() } else { piece.source },
    ]);
    for keyword in piece.keywords {
        add.extend(["--keyword", keyword]);
    }
    match piece.to {
        None => {}
        Some(Place::Hub) => add.extend(["--to", "hub"]),
        Some(place) => add.extend(["--to", place.code()]),
    }
    // Gone again once the command has taken the file in.
    let folder = tempfile::tempdir().context("cannot make a folder for temporary files")?;
    let file;
    if let Some((name, bytes)) = piece.picture {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        file = path.display().to_string();
        add.extend(["--attach", &file]);
    }
    let added = county.at(piece.author, &add, piece.text).await?;
    record_id(&added)
}

async fn revise(county: &County, piece: &Piece, id: RecordId) -> anyhow::Result<()> {
    let id = id.to_string();
    for revision in piece.revisions {
        let mut revise = vec!["article", "revise", &id, "--file", "-"];
        if let Some(title) = revision.title {
            revise.extend(["--title", title]);
        }
        county.at(piece.author, &revise, revision.text).await?;
    }
    Ok(())
}

/// The hub's decision, once it holds the piece. What will be withdrawn is first seen in public.
async fn release(
    county: &County,
    fetch: &Fetch,
    piece: &Piece,
    id: RecordId,
    gone: &mut Vec<String>,
) -> anyhow::Result<()> {
    let Some((scope, persons)) = piece.released else { return Ok(()) };
    until(county, Place::Hub, id, true).await?;
    let id_text = id.to_string();
    let mut release = vec!["article", "release", &id_text, "--scope", scope.as_str()];
    for person in persons {
        release.extend(["--approved-by", person]);
    }
    county.at(Place::Hub, &release, "").await?;
    if piece.withdrawn.is_some() {
        let pages = county.pages.iter().find(|it| it.place == Place::Hub && it.scope == scope);
        let pages = pages.context("the hub has no page of that scope")?;
        let site = county.site(piece.author)?.id;
        let address = format!("{}/article/{site}/{id}", pages.address);
        let (status, _) = fetch.get(&address).await?;
        anyhow::ensure!(status == 200, "{address} answers {status} though it was released");
        gone.push(address);
    }
    Ok(())
}

async fn issue(county: &County, notice: &Notice) -> anyhow::Result<RecordId> {
    let now = SystemClock.now();
    let deadline = rfc3339(now + notice.days * 24 * HOUR_MS);
    let mut add = vec!["notice", "add", "--title", notice.title, "--deadline", &deadline];
    let number = format!("清组通〔{}〕{}", &beijing_text(now)[..4], notice.number);
    if !notice.number.is_empty() {
        add.extend(["--doc-number", &number]);
    }
    match notice.to {
        To::Scope(scope) => add.extend(["--scope", scope.as_str()]),
        To::Units(units) => add.extend(units.iter().flat_map(|unit| ["--unit", unit.code()])),
    }
    let added = county.at(Place::Hub, &add, notice.text).await?;
    record_id(&added)
}

/// Waits until an article or a notice has come to a site.
pub(super) async fn until(
    county: &County,
    place: Place,
    id: RecordId,
    article: bool,
) -> anyhow::Result<()> {
    use lianbo_node::content::{FindError, article, notice};
    use lianbo_node::scope::Reader;
    let site = county.site(place)?;
    let reader = Reader::desk(site.id);
    let wait = async {
        loop {
            let mut tx = site.store.read().await?;
            let found = if article {
                article::find(&mut tx, reader, &id.to_string()).await
            } else {
                notice::find(&mut tx, reader, &id.to_string()).await
            };
            drop(tx);
            match found {
                Ok(_) => return Ok::<_, anyhow::Error>(()),
                Err(FindError::Nothing(_)) => tokio::time::sleep(LOOK).await,
                Err(error) => return Err(error.into()),
            }
        }
    };
    let limit = Duration::from_secs(30);
    let came = tokio::time::timeout(limit, wait).await;
    came.with_context(|| format!("{id} has not come to {} within {limit:?}", place.name()))?
}

fn record_id(value: &serde_json::Value) -> anyhow::Result<RecordId> {
    value["id"].as_str().and_then(RecordId::from_hex).context("the answer holds no id")
}
