//! What a site has to do by itself, and who got what.

use super::*;
use crate::content::first_seen::{FirstSeen, Sighting, unseen};
use crate::content::notice::{self as notices, copies, receipts, standing, undelivered};
use crate::content::release::stale;
use crate::content::site::Revocation;
use crate::content::{current_entry, live_targets};

const ORGANIZATION: Audience = Audience::all(Scope::Organization);
const INTERNAL: Audience = Audience::all(Scope::Internal);

#[tokio::test]
async fn a_notice_to_units_shows_one_line_and_asks_each_of_them() {
    on_each!(|tx| {
        let mut hub = Author::new(1);
        let mut units = [Author::new(2), Author::new(3), Author::new(4)];
        let to = |unit: &Author| Audience::direct(Scope::Organization, unit.site());
        let copies_made: Vec<Made> =
            units[..2].iter().map(|unit| hub.write(to(unit), notice(1, "开会", day(1)))).collect();
        let enrolled =
            hub.enrols(&units[0].identity.clone(), "yantian", Scope::Organization, false);
        keep(tx, &[&copies_made[0], &copies_made[1], &enrolled]).await;

        for reader in [hub.reader(), units[0].reader(), units[1].reader()] {
            assert_eq!(notices::list(tx, reader, 9).await.unwrap().len(), 1);
        }
        assert!(notices::list(tx, units[2].reader(), 9).await.unwrap().is_empty());
        assert!(notices::list(tx, PUBLIC, 9).await.unwrap().is_empty());
        let own = units[1].reader();
        let view = notices::get(tx, own, hub.site(), id(1)).await.unwrap().unwrap();
        assert_eq!((view.text.as_str(), view.line.addressee), ("开会：正文", own.site));
        assert_eq!(notices::get(tx, units[2].reader(), hub.site(), id(1)).await.unwrap(), None);
        let audiences = copies(tx, hub.site(), id(1)).await.unwrap();
        assert_eq!(audiences, [to(&units[0]), to(&units[1])]);

        let signed = units[0].signs(&copies_made[0], Stage::Signed, day(3));
        let again = units[0].signs(&copies_made[0], Stage::Signed, day(9));
        let delivered = units[0].signs(&copies_made[0], Stage::Delivered, day(2));
        keep(tx, &[&again, &signed, &delivered]).await;
        let all = standing(tx, hub.reader(), hub.site(), id(1)).await.unwrap();
        let brief: Vec<_> = all
            .iter()
            .map(|it| (it.site, it.delivered_ms, it.read_ms, it.signed_ms, &*it.person))
            .collect();
        assert_eq!(
            brief,
            [
                (units[0].site(), Some(day(2)), Some(day(3)), Some(day(3)), "刘建国"),
                (units[1].site(), None, None, None, ""),
            ]
        );
        assert_eq!(all[0].unit, Some(super::unit("yantian")));
        // A unit sees how it stands itself, and nobody else.
        let own = standing(tx, units[0].reader(), hub.site(), id(1)).await.unwrap();
        assert_eq!(own.iter().map(|it| it.site).collect::<Vec<_>>(), [units[0].site()]);
        assert!(standing(tx, units[2].reader(), hub.site(), id(1)).await.unwrap().is_empty());
        let told = receipts(tx, hub.reader(), hub.site(), id(1)).await.unwrap();
        let told: Vec<_> = told.iter().map(|it| (it.stage, it.at_ms)).collect();
        assert_eq!(told, [(Stage::Delivered, day(2)), (Stage::Signed, day(3))]);
        assert!(receipts(tx, units[1].reader(), hub.site(), id(1)).await.unwrap().is_empty());
    });
}

#[tokio::test]
async fn a_notice_to_a_scope_asks_every_unit_that_may_hold_it() {
    on_each!(|tx| {
        let mut hub = Author::new(1);
        let county = hub.identity.clone();
        let [inner, outer, public, gone] =
            [2, 3, 4, 5].map(|seed| Author::new(seed).identity.clone());
        let revocation = Revocation { site: gone.site, reason: String::new() };
        let made = [
            hub.enrols(&county, "county", Scope::Internal, true),
            hub.enrols(&outer, "b", Scope::Organization, false),
            hub.enrols(&inner, "a", Scope::Internal, false),
            hub.enrols(&public, "c", Scope::Public, false),
            hub.enrols(&gone, "d", Scope::Internal, false),
            hub.write(ORGANIZATION, Record::Revocation(revocation)),
            hub.write(ORGANIZATION, notice(1, "学习", day(1))),
        ];
        keep(tx, &made.iter().collect::<Vec<_>>()).await;
        let all = standing(tx, hub.reader(), hub.site(), id(1)).await.unwrap();
        assert_eq!(all.iter().map(|it| it.site).collect::<Vec<_>>(), [inner.site, outer.site]);
    });
}

#[tokio::test]
async fn a_node_owes_a_receipt_until_it_gave_one() {
    on_each!(|tx| {
        let (mut hub, mut unit) = (Author::new(1), Author::new(2));
        let direct = Audience::direct(Scope::Internal, unit.site());
        let elsewhere = Audience::direct(Scope::Internal, SiteId([9; 16]));
        let wide = hub.write(ORGANIZATION, notice(1, "甲", day(1)));
        let made = [
            hub.write(elsewhere, notice(3, "路过", day(1))),
            hub.write(direct, notice(2, "乙", day(1))),
            unit.write(ORGANIZATION, notice(4, "自己的", day(1))),
            hub.write(ORGANIZATION, notice(5, "撤了", day(1))),
            hub.retracts(ORGANIZATION, &[], Some(id(5))),
        ];
        keep(tx, &[&wide]).await;
        keep(tx, &made.iter().collect::<Vec<_>>()).await;
        let owed = undelivered(tx, unit.site(), 0, 9).await.unwrap();
        let brief: Vec<_> = owed.iter().map(|it| (it.notice, it.audience)).collect();
        let back = |scope| Audience::direct(scope, hub.site());
        let expected = [(id(1), back(Scope::Organization)), (id(2), back(Scope::Internal))];
        assert_eq!(brief, expected);
        assert_eq!(undelivered(tx, unit.site(), owed[0].position, 9).await.unwrap(), owed[1..]);
        assert_eq!(undelivered(tx, unit.site(), 0, 1).await.unwrap(), owed[..1]);
        // A further copy of a notice owes nothing further.
        let again = hub.write(ORGANIZATION, notice(1, "甲，再发", day(1)));
        keep(tx, &[&again]).await;
        assert_eq!(undelivered(tx, unit.site(), 0, 9).await.unwrap(), owed);
        let receipt = unit.signs(&wide, Stage::Delivered, day(2));
        keep(tx, &[&receipt]).await;
        assert_eq!(undelivered(tx, unit.site(), 0, 9).await.unwrap(), owed[1..]);
    });
}

#[tokio::test]
async fn a_hub_owes_its_word_on_what_it_saw_first() {
    on_each!(|tx| {
        let (mut hub, mut unit) = (Author::new(1), Author::new(2));
        let direct = Audience::direct(Scope::Internal, hub.site());
        let theirs = unit.write(ORGANIZATION, article(1, "甲", day(1)));
        let made = [
            hub.write(ORGANIZATION, article(2, "自己的", day(1))),
            unit.write(direct, article(3, "报送", day(1))),
            hub.releases(Scope::Public, &theirs, Some(day(1))),
        ];
        keep(tx, &made.iter().collect::<Vec<_>>()).await;
        assert!(unseen(tx, hub.site(), 0, 9).await.unwrap().is_empty());
        keep(tx, &[&theirs]).await;
        let owed = unseen(tx, hub.site(), 0, 9).await.unwrap();
        assert_eq!(owed.len(), 1);
        assert_eq!((owed[0].site, owed[0].hash), theirs.name());
        assert_eq!((owed[0].audience, owed[0].received_ms), (ORGANIZATION, day(4)));
        assert!(unseen(tx, hub.site(), owed[0].position, 9).await.unwrap().is_empty());
        let sighting = Sighting { site: unit.site(), hash: theirs.hash, at_ms: day(4) };
        let word = FirstSeen { sightings: vec![sighting] };
        let word = hub.write(ORGANIZATION, Record::FirstSeen(word));
        keep(tx, &[&word]).await;
        assert!(unseen(tx, hub.site(), 0, 9).await.unwrap().is_empty());
    });
}

#[tokio::test]
async fn a_release_goes_stale_when_its_original_is_withdrawn() {
    on_each!(|tx| {
        let (mut hub, mut unit) = (Author::new(1), Author::new(2));
        let by_hash = unit.write(ORGANIZATION, article(1, "甲", day(1)));
        let by_record = unit.write(ORGANIZATION, article(2, "乙", day(1)));
        let kept = unit.write(ORGANIZATION, article(3, "丙", day(1)));
        let releases =
            [&by_hash, &by_record, &kept].map(|made| hub.releases(Scope::Public, made, None));
        let retractions = [
            unit.retracts(ORGANIZATION, &[&by_hash], None),
            unit.retracts(ORGANIZATION, &[], Some(id(2))),
        ];
        keep(tx, &[&retractions[0]]).await;
        keep(tx, &releases.iter().collect::<Vec<_>>()).await;
        keep(tx, &[&retractions[1]]).await;
        let owed = stale(tx, hub.site(), 0, 9).await.unwrap();
        assert_eq!(owed, [releases[0].target(), releases[1].target()]);
        assert_eq!(owed[0].log.audience, Audience::all(Scope::Public));
        // Positions are 1: a retraction; 2, 3, 4: the releases; 5: the other retraction.
        assert_eq!(stale(tx, hub.site(), 1, 9).await.unwrap(), owed);
        assert_eq!(stale(tx, hub.site(), 4, 9).await.unwrap(), owed[1..]);
        assert!(stale(tx, hub.site(), 5, 9).await.unwrap().is_empty());
        assert_eq!(stale(tx, hub.site(), 0, 1).await.unwrap(), owed[..1]);
        assert!(stale(tx, unit.site(), 0, 9).await.unwrap().is_empty());
        let settled =
            hub.retracts(Audience::all(Scope::Public), &[&releases[0], &releases[1]], None);
        keep(tx, &[&settled]).await;
        assert!(stale(tx, hub.site(), 0, 9).await.unwrap().is_empty());
    });
}

#[tokio::test]
async fn a_retraction_names_all_live_entries_and_a_release_takes_the_current_one() {
    on_each!(|tx| {
        let (mut hub, mut unit) = (Author::new(1), Author::new(2));
        let first = unit.write(ORGANIZATION, article(1, "初稿", day(1)));
        let second = unit.write(INTERNAL, article(1, "修订", day(1)));
        let wrong = unit.write(ORGANIZATION, article(1, "错版", day(1)));
        let letter = Audience::direct(Scope::Internal, hub.site());
        let reported = unit.write(letter, article(1, "报送", day(1)));
        let release = hub.releases(Scope::Public, &first, None);
        let retraction = unit.retracts(ORGANIZATION, &[&wrong], None);
        keep(tx, &[&first, &second, &wrong, &reported, &release, &retraction]).await;
        let targets = live_targets(tx, unit.site(), id(1)).await.unwrap();
        assert_eq!(targets, [&first, &second, &reported].map(Made::target));
        let (entry, head, position) = current_entry(tx, unit.site(), id(1)).await.unwrap().unwrap();
        assert_eq!((entry, head, position), (second.entry.clone(), second.head.clone(), 2));
        assert_eq!(current_entry(tx, unit.site(), id(9)).await.unwrap(), None);
        let call = hub.write(ORGANIZATION, notice(7, "通知", day(1)));
        keep(tx, &[&call]).await;
        assert_eq!(live_targets(tx, hub.site(), id(7)).await.unwrap(), [call.target()]);
        let (entry, ..) = current_entry(tx, hub.site(), id(7)).await.unwrap().unwrap();
        assert_eq!(entry, call.entry);
    });
}
