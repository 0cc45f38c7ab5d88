//! What the door refuses.

use std::collections::BTreeSet;

use super::*;
use crate::content::article::{Attachment, Origin};
use crate::content::first_seen::{FirstSeen, Sighting};
use crate::content::site::{KeyChange, Revocation};
use crate::content::{RuleError, check, check_known};
use crate::entry::{BlobRef, Lane};

const ORGANIZATION: Audience = Audience::all(Scope::Organization);

fn refused(made: &Made) -> RuleError {
    check(&made.head, &made.record).expect_err("this has to be refused")
}

fn accepted(made: &Made) {
    assert_eq!(check(&made.head, &made.record), Ok(()));
}

#[test]
fn a_record_travels_in_its_own_lane() {
    let mut made = Author::new(1).write(ORGANIZATION, article(1, "甲", day(0)));
    accepted(&made);
    made.head.log.lane = Lane::Control;
    refused(&made);
}

#[test]
fn a_site_withdraws_its_own_content_and_nothing_else() {
    let (mut unit, mut other) = (Author::new(1), Author::new(2));
    let own = unit.write(ORGANIZATION, article(1, "甲", day(0)));
    let foreign = other.write(ORGANIZATION, article(2, "乙", day(0)));
    let retraction = unit.retracts(ORGANIZATION, &[&own], Some(id(1)));
    accepted(&retraction);
    refused(&unit.retracts(ORGANIZATION, &[&own, &foreign], None));
    // A retraction that could be withdrawn would revert.
    refused(&unit.retracts(ORGANIZATION, &[&retraction], None));
}

#[test]
fn a_receipt_goes_to_the_author_of_its_notice_alone() {
    let (mut hub, mut unit) = (Author::new(1), Author::new(2));
    let notice = hub.write(ORGANIZATION, notice(1, "通知", day(0)));
    let receipt = unit.signs(&notice, Stage::Signed, day(1));
    accepted(&receipt);
    refused(&unit.write(ORGANIZATION, receipt.record.clone()));
    let third = Audience::direct(Scope::Organization, SiteId([9; 16]));
    refused(&unit.write(third, receipt.record));
}

#[test]
fn who_belongs_is_never_told_to_one_site_alone() {
    let mut hub = Author::new(1);
    let unit = Author::new(2);
    let further = Identity::new(hub.site(), SigningKey::from_bytes(&[77; 32]));
    let change = KeyChange { key: further.public(), proof: further.key_proof() };
    let seen = Sighting { site: unit.site(), hash: Hash([1; 32]), at_ms: day(0) };
    let enrolment = hub.enrols(&unit.identity, "yantian", Scope::Organization, false);
    for record in [
        enrolment.record,
        Record::KeyChange(change),
        Record::Revocation(Revocation { site: unit.site(), reason: String::new() }),
        Record::FirstSeen(FirstSeen { sightings: vec![seen] }),
    ] {
        accepted(&hub.write(ORGANIZATION, record.clone()));
        refused(&hub.write(Audience::direct(Scope::Organization, unit.site()), record));
    }
}

#[test]
fn a_key_change_carries_the_new_keys_own_proof() {
    let mut unit = Author::new(1);
    let further = Identity::new(unit.site(), SigningKey::from_bytes(&[77; 32]));
    let elsewhere = Identity::new(SiteId([9; 16]), SigningKey::from_bytes(&[77; 32]));
    let with = |proof| Record::KeyChange(KeyChange { key: further.public(), proof });
    accepted(&unit.write(ORGANIZATION, with(further.key_proof())));
    let stolen = unit.write(ORGANIZATION, with(elsewhere.key_proof()));
    assert_eq!(refused(&stolen), RuleError::BadSignature);
}

#[test]
fn only_a_hub_itself_says_that_it_is_one() {
    let mut hub = Author::new(1);
    let (itself, unit) = (hub.identity.clone(), Author::new(2));
    accepted(&hub.enrols(&itself, "county", Scope::Internal, true));
    refused(&hub.enrols(&unit.identity, "yantian", Scope::Internal, true));
}

#[test]
fn a_release_takes_an_undirected_original_strictly_wider() {
    let (mut hub, mut unit) = (Author::new(1), Author::new(2));
    let original = unit.write(ORGANIZATION, article(1, "甲", day(0)));
    accepted(&hub.releases(Scope::Public, &original, Some(day(1))));
    refused(&hub.releases(Scope::Organization, &original, None));
    refused(&hub.releases(Scope::Internal, &original, None));
    let to_one = Audience::direct(Scope::Public, unit.site());
    refused(&hub.write(to_one, Record::Release(Box::new(release(&original, None)))));
    let letter =
        unit.write(Audience::direct(Scope::Internal, hub.site()), article(2, "信", day(0)));
    refused(&hub.releases(Scope::Public, &letter, None));
}

#[test]
fn a_release_holds_exactly_what_the_author_signed() {
    let (mut hub, mut unit) = (Author::new(1), Author::new(2));
    let original = unit.write(ORGANIZATION, article(1, "甲", day(0)));
    let other = unit.write(ORGANIZATION, article(1, "乙", day(0)));
    let mut swapped = release(&original, None);
    swapped.original.body.clone_from(&other.entry.body);
    swapped.record = other.record.clone();
    refused(&hub.write(Audience::all(Scope::Public), Record::Release(Box::new(swapped))));
    let mut forged = release(&original, None);
    forged.original.signature = other.entry.signature;
    let forged = hub.write(Audience::all(Scope::Public), Record::Release(Box::new(forged)));
    assert_eq!(refused(&forged), RuleError::BadSignature);
}

#[test]
fn two_distinct_persons_approve_a_release_of_ones_own() {
    let mut hub = Author::new(1);
    let original = hub.write(ORGANIZATION, article(1, "甲", day(0)));
    accepted(&hub.releases(Scope::Public, &original, None));
    let mut alone = release(&original, None);
    alone.approvals[1].person = "陈 志强".into();
    refused(&hub.write(Audience::all(Scope::Public), Record::Release(Box::new(alone))));
}

#[tokio::test]
async fn enrolments_and_sightings_count_from_pinned_sites_only() {
    on_each!(|tx| {
        let (mut hub, mut unit) = (Author::new(1), Author::new(2));
        let pins = BTreeSet::from([hub.site()]);
        let someone = Author::new(3);
        let seen = FirstSeen { sightings: Vec::new() };
        let revocation = Revocation { site: someone.site(), reason: String::new() };
        for author in [&mut hub, &mut unit] {
            let by_hub = pins.contains(&author.site());
            let made = [
                author.enrols(&someone.identity, "x", Scope::Public, false),
                author.write(ORGANIZATION, Record::FirstSeen(seen.clone())),
                author.write(ORGANIZATION, Record::Revocation(revocation.clone())),
            ];
            let items: Vec<_> = made.iter().map(|made| (&made.head, &made.record)).collect();
            let answers = check_known(tx, &pins, &items).await.unwrap();
            assert!(answers.iter().all(|answer| answer.is_none() == by_hub));
        }
    });
}

#[tokio::test]
async fn a_released_original_is_signed_with_a_key_of_its_site() {
    on_each!(|tx| {
        let (mut hub, mut unit, mut other) = (Author::new(1), Author::new(2), Author::new(3));
        let pins = BTreeSet::from([hub.site()]);
        let original = unit.write(ORGANIZATION, article(1, "甲", day(0)));
        let good = hub.releases(Scope::Public, &original, None);
        // Signed well, in the name of the unit, with a key that is not the unit's.
        let mut thief = Author::new(2);
        thief.identity = Identity::new(unit.site(), SigningKey::from_bytes(&[99; 32]));
        let bad =
            hub.releases(Scope::Public, &thief.write(ORGANIZATION, article(2, "乙", day(0))), None);
        let by_another = other.releases(Scope::Public, &original, None);
        let items = [&good, &bad, &by_another].map(|made| (&made.head, &made.record));
        // Nothing is known of the unit yet: its hub's word has to do.
        let answers = check_known(tx, &pins, &items).await.unwrap();
        assert_eq!(answers.iter().map(Option::is_none).collect::<Vec<_>>(), [true, true, false]);
        // Its enrolment may come in the same batch, or be here already.
        let enrolment = hub.enrols(&unit.identity, "yantian", Scope::Organization, false);
        let mut batch = vec![(&enrolment.head, &enrolment.record)];
        batch.extend(items);
        let expected = [true, true, false, false];
        let answers = check_known(tx, &pins, &batch).await.unwrap();
        assert_eq!(answers.iter().map(Option::is_none).collect::<Vec<_>>(), expected);
        keep(tx, &[&enrolment]).await;
        let answers = check_known(tx, &pins, &items).await.unwrap();
        assert_eq!(answers.iter().map(Option::is_none).collect::<Vec<_>>(), expected[1..]);
        // A further key, by the unit's own word.
        let further = Identity::new(unit.site(), SigningKey::from_bytes(&[99; 32]));
        let change = KeyChange { key: further.public(), proof: further.key_proof() };
        let change = unit.write(ORGANIZATION, Record::KeyChange(change));
        let batch = [&change, &bad].map(|made| (&made.head, &made.record));
        assert_eq!(check_known(tx, &pins, &batch).await.unwrap(), [None, None]);
    });
}

#[test]
fn an_article_names_the_files_of_its_head_and_no_others() {
    let blob = BlobRef { hash: Hash([7; 32]), size: 3, media_type: "image/png".to_owned() };
    let Record::Article(plain) = article(1, "甲", day(0)) else { unreachable!() };
    let attached = Attachment { hash: blob.hash, name: "银杏.png".to_owned() };
    let record = Record::Article(Article { attachments: vec![attached], ..plain });
    let mut made = Author::new(1).write(ORGANIZATION, record);
    refused(&made);
    made.head.blobs = vec![blob];
    accepted(&made);
    made.record = article(1, "甲", day(0));
    refused(&made);
}

#[test]
fn nobody_adopts_their_own_article() {
    let mut hub = Author::new(1);
    for (site, fits) in [(SiteId([9; 16]), true), (hub.site(), false)] {
        let Record::Article(plain) = article(1, "甲", day(0)) else { unreachable!() };
        let origin = Some(Origin { site, id: id(2), hash: Hash([1; 32]) });
        let made = hub.write(ORGANIZATION, Record::Article(Article { origin, ..plain }));
        assert_eq!(check(&made.head, &made.record).is_ok(), fits);
    }
}

#[test]
fn links_and_names_of_files_are_plain() {
    let Record::Article(plain) = article(1, "甲", day(0)) else { unreachable!() };
    let link = |link: &str| Article { link: link.to_owned(), ..plain.clone() }.check();
    for good in ["", "http://news.example/a?b=1#c", "https://例子.example/新闻"] {
        assert_eq!(link(good), Ok(()), "{good}");
    }
    let long = format!("http://a.example/{}", "a".repeat(2000));
    let bad = [
        "javascript:alert(1)",
        "data:text/html,x",
        "//a.example",
        "a",
        "http://a:b@c.example",
        &long,
    ];
    for bad in bad {
        assert!(link(bad).is_err(), "{bad}");
    }
    let name = |names: &[&str]| {
        let named = |name: &&str| Attachment { hash: Hash([7; 32]), name: (*name).to_owned() };
        Article { attachments: names.iter().map(named).collect(), ..plain.clone() }.check()
    };
    assert_eq!(name(&["银杏 一.jpg", "a.pdf"]), Ok(()));
    for bad in ["", " ", "../a", "a/b", "a\\b", ".a", "a.", "a\nb", "C:a", "a?", " a"] {
        assert!(name(&[bad]).is_err(), "{bad:?}");
    }
    assert!(name(&["a.pdf", "a.pdf"]).is_err());
}
