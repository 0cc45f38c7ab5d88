//! What readers see of articles, notices, columns and retractions.

use super::*;
use crate::content::article::{self as articles, ArticleFilter};
use crate::content::first_seen::{FirstSeen, Sighting};
use crate::content::{FindError, column as columns, notice as notices, retraction};

const ORGANIZATION: Audience = Audience::all(Scope::Organization);
const ALL: Audience = Audience::all(Scope::Public);

fn filter() -> ArticleFilter {
    ArticleFilter::default()
}

#[tokio::test]
async fn the_current_revision_is_the_latest_the_reader_may_see() {
    on_each!(|tx| {
        let mut unit = Author::new(2);
        let first = unit.write(ALL, article(1, "初稿", day(1)));
        let second = unit.write(ORGANIZATION, article(1, "修订", day(1)));
        let other = unit.write(ORGANIZATION, article(2, "另一篇", day(2)));
        keep(tx, &[&second, &other, &first]).await;

        let inside = Reader::anonymous(Scope::Organization);
        let lines = articles::list(tx, inside, &filter()).await.unwrap();
        assert_eq!(titles(&lines), ["另一篇", "修订"]);
        assert_eq!((lines[0].revised, lines[1].revised), (false, true));
        // The public neither sees the revision nor learns that there is one.
        let lines = articles::list(tx, PUBLIC, &filter()).await.unwrap();
        assert_eq!(titles(&lines), ["初稿"]);
        assert!(!lines[0].revised);

        let view = articles::get(tx, inside, unit.site(), id(1)).await.unwrap().unwrap();
        assert_eq!(view.text, "修订：正文");
        let revisions: Vec<&str> = view.revisions.iter().map(|it| it.title.as_str()).collect();
        assert_eq!(revisions, ["修订", "初稿"]);
        assert_eq!(view.line.keywords, ["党建", "基层"]);
        let view = articles::get(tx, PUBLIC, unit.site(), id(1)).await.unwrap().unwrap();
        assert_eq!((view.text.as_str(), view.revisions.len()), ("初稿：正文", 1));
        assert_eq!(articles::get(tx, PUBLIC, unit.site(), id(2)).await.unwrap(), None);
        let json = serde_json::to_value(&view).unwrap();
        assert_eq!(json["id"], id(1).to_string());
        assert_eq!(json["scope"], "public");
        assert!(json.get("position").is_none());
    });
}

#[tokio::test]
async fn lists_narrow_by_author_column_and_carrier_and_come_in_pages() {
    on_each!(|tx| {
        let (mut hub, mut unit) = (Author::new(1), Author::new(2));
        let own = hub.write(ORGANIZATION, article(1, "县里", day(1)));
        let theirs = unit.write(ORGANIZATION, article(2, "镇里", day(2)));
        let mut moved = article(3, "改栏目", day(3));
        let before = unit.write(ORGANIZATION, moved.clone());
        if let Record::Article(it) = &mut moved {
            it.column = "xinwen".into();
        }
        let after = unit.write(ORGANIZATION, moved);
        let release = hub.releases(Scope::Public, &theirs, Some(day(2)));
        keep(tx, &[&own, &theirs, &before, &after, &release]).await;

        let reader = hub.reader();
        let list = async |tx: &mut Tx, filter: ArticleFilter| {
            let lines = articles::list(tx, reader, &filter).await.unwrap();
            lines.into_iter().map(|line| line.title).collect::<Vec<_>>()
        };
        let site = Some(unit.site());
        assert_eq!(list(tx, ArticleFilter { site, ..filter() }).await, ["改栏目", "镇里"]);
        let column = Some("dangyuan-fengcai".to_owned());
        assert_eq!(list(tx, ArticleFilter { column, ..filter() }).await, ["镇里", "县里"]);
        let column = Some("xinwen".to_owned());
        assert_eq!(list(tx, ArticleFilter { column, ..filter() }).await, ["改栏目"]);
        let carrier = Some(hub.site());
        assert_eq!(list(tx, ArticleFilter { carrier, ..filter() }).await, ["镇里", "县里"]);
        let page = |offset| ArticleFilter { limit: 2, offset, ..filter() };
        assert_eq!(list(tx, page(0)).await, ["改栏目", "镇里"]);
        assert_eq!(list(tx, page(2)).await, ["县里"]);
    });
}

#[tokio::test]
async fn pages_put_together_are_the_whole_list_even_against_false_dates() {
    on_each!(|tx| {
        let (mut hub, mut unit) = (Author::new(1), Author::new(2));
        let (mut made, mut sightings) = (Vec::new(), Vec::new());
        for n in 0..=u8::MAX {
            // Many claim to come from the future; the hub saw them in another order, some not at all.
            let claim = day(if n % 3 == 0 { 9_000 } else { i64::from(n) });
            let written = unit.write(ALL, article(n, &format!("第{n}篇"), claim));
            if n % 5 != 0 {
                let (site, hash) = written.name();
                sightings.push(Sighting { site, hash, at_ms: day(i64::from(n) * 37 % 256) });
            }
            made.push(written);
            made.push(hub.write(ALL, notice(n, "通知", day(i64::from(n) * 37 % 256))));
        }
        made.push(hub.write(ALL, Record::FirstSeen(FirstSeen { sightings })));
        let items: Vec<Folding<'_>> = made
            .iter()
            .zip(1..)
            .map(|(Made { hash, head, record, .. }, position)| Folding {
                position,
                received_ms: day(0),
                hash: *hash,
                head,
                record,
            })
            .collect();
        fold(tx, &items).await.unwrap();

        let limit = i64::MAX;
        let whole = articles::list(tx, PUBLIC, &ArticleFilter { limit, ..filter() }).await.unwrap();
        assert_eq!(whole.len(), 256);
        assert!(whole.is_sorted_by_key(|it| (std::cmp::Reverse(it.published_ms), it.id)));
        let mut paged = Vec::new();
        for offset in (0..256).step_by(31) {
            let page = ArticleFilter { limit: 31, offset, ..filter() };
            paged.extend(articles::list(tx, PUBLIC, &page).await.unwrap());
        }
        assert_eq!(paged, whole);
        let newest = notices::list(tx, PUBLIC, 7).await.unwrap();
        let dates: Vec<_> = newest.iter().map(|it| it.issued_ms).collect();
        assert_eq!(dates, (249..256).rev().map(day).collect::<Vec<_>>());
        assert_eq!(notices::list(tx, PUBLIC, limit).await.unwrap()[..7], newest);
    });
}

#[tokio::test]
async fn a_date_is_the_authors_claim_until_a_hubs_word_caps_it() {
    on_each!(|tx| {
        let (mut hub, mut unit) = (Author::new(1), Author::new(2));
        let honest = unit.write(ALL, article(1, "如实", day(1)));
        let ahead = unit.write(ALL, article(2, "提前", day(30)));
        let first = unit.write(ALL, article(3, "旧闻", day(4)));
        let freshened = unit.write(ALL, article(3, "旧闻翻新", day(40)));
        let seen =
            |made: &Made, at_ms| Sighting { site: made.head.log.site, hash: made.hash, at_ms };
        let word = |sightings| Record::FirstSeen(FirstSeen { sightings });
        let early = hub.write(
            ALL,
            word(vec![
                seen(&honest, day(2)),
                seen(&ahead, day(3)),
                seen(&first, day(4)),
                seen(&freshened, day(41)),
                seen(&ahead, day(9)),
            ]),
        );
        let late = hub.write(ALL, word(vec![seen(&ahead, day(20))]));
        // Said inside only: the public does not hear it.
        let inside = hub.write(ORGANIZATION, word(vec![seen(&honest, day(0))]));
        keep(tx, &[&early, &late, &inside, &honest, &ahead, &first, &freshened]).await;

        let lines = articles::list(tx, PUBLIC, &filter()).await.unwrap();
        let dates: Vec<_> =
            lines.iter().map(|it| (&*it.title, it.published_ms, it.first_seen_ms)).collect();
        assert_eq!(
            dates,
            [
                ("旧闻翻新", day(4), Some(day(4))),
                ("提前", day(3), Some(day(3))),
                ("如实", day(1), Some(day(2))),
            ]
        );
        let view = articles::get(tx, hub.reader(), unit.site(), id(1)).await.unwrap().unwrap();
        assert_eq!((view.line.published_ms, view.line.first_seen_ms), (day(0), Some(day(0))));
    });
}

#[tokio::test]
async fn a_release_is_seen_where_its_original_is_not() {
    on_each!(|tx| {
        let (mut hub, mut unit) = (Author::new(1), Author::new(2));
        let original = unit.write(ORGANIZATION, article(1, "先进事迹", day(5)));
        let release = hub.releases(Scope::Public, &original, Some(day(4)));
        let enrolment = hub.enrols(&unit.identity, "yt", Scope::Organization, false);
        let named = unit.write(ORGANIZATION, column("dangyuan-fengcai", "党员风采", 1));
        // The original itself is not held: as on a site that may only hold public entries.
        keep(tx, &[&release, &enrolment, &named]).await;

        let line = articles::list(tx, PUBLIC, &filter()).await.unwrap().pop().unwrap();
        assert_eq!((line.site, line.hash), (unit.site(), original.hash));
        assert_eq!((line.carrier_site, line.carrier_hash), (hub.site(), release.hash));
        assert!(line.released());
        // The unit's name is the releaser's word; the column's name is not for the public.
        assert_eq!((&*line.unit_code, &*line.unit_name), ("yantian", "严田镇党委"));
        assert_eq!((&*line.column, &*line.column_name), ("dangyuan-fengcai", "dangyuan-fengcai"));
        assert_eq!((line.published_ms, line.first_seen_ms), (day(4), Some(day(4))));
        let view = articles::get(tx, PUBLIC, unit.site(), id(1)).await.unwrap().unwrap();
        assert_eq!(view.text, "先进事迹：正文");

        // Inside, both are there: one line, and the scope it has come to.
        keep(tx, &[&original]).await;
        let lines = articles::list(tx, hub.reader(), &filter()).await.unwrap();
        assert_eq!(lines.len(), 1);
        assert_eq!((lines[0].scope, &*lines[0].column_name), (Scope::Public, "党员风采"));
        assert!(!lines[0].revised);
    });
}

#[tokio::test]
async fn a_unit_is_named_only_to_whom_its_enrolment_is_told() {
    on_each!(|tx| {
        let (mut hub, mut unit) = (Author::new(1), Author::new(2));
        let enrolment = hub.enrols(&unit.identity, "yantian", Scope::Organization, false);
        let direct = unit.write(ALL, article(1, "甲", day(1)));
        keep(tx, &[&enrolment, &direct]).await;
        let outside = articles::list(tx, PUBLIC, &filter()).await.unwrap();
        let inside = articles::list(tx, hub.reader(), &filter()).await.unwrap();
        assert_eq!((&*outside[0].unit_name, &*inside[0].unit_name), ("", "yantian党委"));
    });
}

#[tokio::test]
async fn what_is_withdrawn_never_shows_up_whichever_came_first() {
    on_each!(|tx| {
        let (mut hub, mut unit) = (Author::new(1), Author::new(2));
        let by_hash = unit.write(ALL, article(1, "按条撤", day(1)));
        let older = unit.write(ALL, article(2, "按稿撤", day(2)));
        let newer = unit.write(ORGANIZATION, article(2, "按稿撤二", day(2)));
        let kept = unit.write(ALL, article(3, "旧版", day(3)));
        let wrong = unit.write(ALL, article(3, "错版", day(3)));
        let inside = unit.write(ORGANIZATION, article(4, "收回公开", day(4)));
        let release = hub.releases(Scope::Public, &inside, None);
        let notice = unit.write(ALL, notice(5, "撤通知", day(5)));
        let named = unit.write(ALL, column("dangyuan-fengcai", "错名", 1));
        let content = [&by_hash, &older, &newer, &kept, &wrong, &inside, &release, &notice, &named];
        let first = unit.retracts(ALL, &[&by_hash, &wrong, &named], None);
        let second = unit.retracts(ALL, &[], Some(id(2)));
        let third = hub.retracts(ALL, &[&release], None);
        let fourth = unit.retracts(ALL, &[&notice], Some(id(5)));
        keep(tx, &[&first, &second]).await;
        keep(tx, &content).await;
        keep(tx, &[&third, &fourth]).await;

        let public = articles::list(tx, PUBLIC, &filter()).await.unwrap();
        assert_eq!(titles(&public), ["旧版"]);
        assert!(!public[0].revised);
        let listed = articles::list(tx, unit.reader(), &filter()).await.unwrap();
        assert_eq!(titles(&listed), ["收回公开", "旧版"]);
        assert_eq!(listed[0].scope, Scope::Organization);
        for n in [1, 2] {
            assert_eq!(articles::get(tx, unit.reader(), unit.site(), id(n)).await.unwrap(), None);
            let none = articles::find(tx, unit.reader(), &id(n).to_string()).await;
            assert!(matches!(none, Err(FindError::Nothing(_))));
        }
        assert!(notices::list(tx, unit.reader(), 9).await.unwrap().is_empty());
        assert!(columns::list(tx, unit.reader(), None).await.unwrap().is_empty());

        let asked = held(tx, &content).await;
        let gone = retraction::withdrawn(tx, &asked).await.unwrap();
        let expected = [&by_hash, &older, &newer, &wrong, &release, &notice, &named];
        assert_eq!(gone, expected.iter().map(|made| made.name()).collect());
        for some in [[&by_hash, &newer], [&by_hash, &named]] {
            let asked = held(tx, &some).await;
            let gone = retraction::withdrawn(tx, &asked).await.unwrap();
            assert_eq!(gone, some.iter().map(|made| made.name()).collect());
        }
        let reason = retraction::reason(tx, PUBLIC, unit.site(), id(2)).await.unwrap();
        assert_eq!(reason.as_deref(), Some("发布有误"));
    });
}

#[tokio::test]
async fn a_site_can_withdraw_nothing_of_another() {
    on_each!(|tx| {
        let (mut unit, mut other) = (Author::new(2), Author::new(3));
        let article = unit.write(ALL, article(1, "甲", day(1)));
        // The door refuses this; were it folded all the same, it would hit nothing.
        let attack = other.retracts(ALL, &[&article], Some(id(1)));
        keep(tx, &[&attack, &article]).await;
        assert_eq!(articles::list(tx, PUBLIC, &filter()).await.unwrap().len(), 1);
        let asked = held(tx, &[&article]).await;
        assert!(retraction::withdrawn(tx, &asked).await.unwrap().is_empty());
    });
}

#[tokio::test]
async fn retractions_are_listed_for_whom_they_are() {
    on_each!(|tx| {
        let mut hub = Author::new(1);
        let (unit, other) = (Author::new(2), Author::new(3));
        let to_unit = Audience::direct(Scope::Organization, unit.site());
        let copy = hub.write(to_unit, notice(1, "通知", day(1)));
        let wide = hub.retracts(ALL, &[], Some(id(8)));
        let direct = hub.retracts(to_unit, &[&copy], Some(id(1)));
        keep(tx, &[&wide, &copy, &direct]).await;
        let see = async |tx: &mut Tx, reader| {
            let views = retraction::list(tx, reader, 9).await.unwrap();
            views.iter().map(|it| (it.hash, it.position, it.targets)).collect::<Vec<_>>()
        };
        let both = [(direct.hash, 3, 1), (wide.hash, 1, 0)];
        assert_eq!(see(tx, unit.reader()).await, both);
        assert_eq!(see(tx, hub.reader()).await, both);
        assert_eq!(see(tx, other.reader()).await, both[1..]);
        assert_eq!(see(tx, PUBLIC).await, both[1..]);
        let asked = retraction::reason(tx, other.reader(), hub.site(), id(1)).await.unwrap();
        assert_eq!(asked, None);
    });
}

#[tokio::test]
async fn columns_come_by_rank_in_the_latest_description_the_reader_may_see() {
    on_each!(|tx| {
        let mut unit = Author::new(2);
        let made = [
            unit.write(ALL, column("xinwen", "新闻", 2)),
            unit.write(ALL, column("dangke", "党课", 1)),
            unit.write(ORGANIZATION, column("xinwen", "内部要闻", 0)),
            unit.write(Audience::all(Scope::Internal), column("caogao", "部内", 5)),
        ];
        keep(tx, &made.iter().rev().collect::<Vec<_>>()).await;
        let see = async |tx: &mut Tx, reader| {
            let views = columns::list(tx, reader, Some(unit.site())).await.unwrap();
            views.into_iter().map(|it| it.name).collect::<Vec<_>>()
        };
        assert_eq!(see(tx, PUBLIC).await, ["党课", "新闻"]);
        assert_eq!(see(tx, Reader::anonymous(Scope::Organization)).await, ["内部要闻", "党课"]);
        assert_eq!(see(tx, unit.reader()).await, ["内部要闻", "党课", "部内"]);
        let own = columns::get(tx, unit.site(), "xinwen").await.unwrap().unwrap();
        assert_eq!((own.name.as_str(), own.scope), ("内部要闻", Scope::Organization));
        assert_eq!(columns::get(tx, unit.site(), "none").await.unwrap(), None);
    });
}

#[tokio::test]
async fn ids_are_found_by_a_prefix_that_says_enough() {
    on_each!(|tx| {
        let mut unit = Author::new(2);
        let mut near = article(0x11, "近", day(1));
        if let Record::Article(it) = &mut near {
            it.id.0[15] = 0x99;
        }
        let made = [
            unit.write(ALL, article(0x11, "甲", day(1))),
            unit.write(ALL, near),
            unit.write(ALL, article(0x12, "乙", day(1))),
            unit.write(ORGANIZATION, article(0x13, "丙", day(1))),
        ];
        keep(tx, &made.iter().collect::<Vec<_>>()).await;
        let found = articles::find(tx, PUBLIC, "12").await.unwrap();
        assert_eq!(found, (unit.site(), id(0x12)));
        let full = articles::find(tx, PUBLIC, &id(0x11).to_string()).await.unwrap();
        assert_eq!(full.1, id(0x11));
        assert!(matches!(articles::find(tx, PUBLIC, "11").await, Err(FindError::Ambiguous(_))));
        assert!(matches!(articles::find(tx, PUBLIC, "13").await, Err(FindError::Nothing(_))));
        assert!(matches!(articles::find(tx, PUBLIC, "g").await, Err(FindError::NotAnId(_))));
        assert!(notices::find(tx, PUBLIC, "12").await.is_err());
    });
}
