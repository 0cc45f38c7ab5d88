//! Refusals: each for its reason, and never at the cost of what stands beside it.

use bytes::Bytes;
use lianbo_node::content::Record;
use lianbo_node::content::receipt::Stage;
use lianbo_node::content::site::KeyChange;
use lianbo_node::entry::{Entry, Hash, Head, Lane, MAX_BODY, MAX_COUNTER, MAX_HEAD, PublicKey};
use lianbo_node::ingest::{Origin, Outcome, Reason};
use lianbo_node::scope::{Audience, Reader, Scope};
use lianbo_node::wire::encode_record;
use lianbo_tests::author::{Made, TestAuthor, entries};
use lianbo_tests::records::{
    START_MS, article, column, enrolment, first_seen, id, notice, receipt, release, retraction,
    revocation,
};
use lianbo_tests::site::REFILL;
use lianbo_tests::{TestSite, on_both};

use super::reason;

const ALL: Audience = Audience::all(Scope::Organization);
const WIDE: Audience = Audience::all(Scope::Public);

/// Sends `bad` between two good entries: both are kept, and it is refused for `why`.
async fn refused(site: &TestSite, unit: &mut TestAuthor, what: &str, bad: Entry, why: Reason) {
    let (one, two) = (unit.write(ALL, article(101, "")), unit.write(ALL, article(102, "")));
    let before = site.journal().await.len();
    let taken = site.take(vec![one.entry, bad, two.entry], REFILL).await;
    assert_eq!(reason(&taken.outcomes[1]), Some(why), "{what}: {:?}", taken.outcomes[1]);
    let kept = [&taken.outcomes[0], &taken.outcomes[2]];
    assert!(kept.iter().all(|it| matches!(it, Outcome::Accepted(_))), "{what}: {kept:?}");
    assert_eq!(site.journal().await.len(), before + 2, "{what}");
}

/// The unit's next entry with its head changed.
fn with_head(unit: &TestAuthor, change: impl FnOnce(&mut Head)) -> Entry {
    let body = encode_record(&article(1, ""));
    let mut head = unit.next_head(ALL, Lane::Content, &body);
    change(&mut head);
    unit.sign(head, body).entry
}

on_both! {
    async fn what_is_malformed_is_refused_and_its_neighbours_kept(database) {
        let mut site = TestSite::hub(database).await;
        let [mut unit, _] = site.with_units().await;
        let good = unit.write(ALL, article(1, "")).entry;
        let head = good.head.clone();
        let padded = {
            // An unknown field of 16 KiB: a valid message, but too large.
            let mut bytes = head.to_vec();
            bytes.extend([0xfa, 0x07, 0x80, 0x80, 0x01]);
            bytes.extend(vec![0; MAX_HEAD]);
            Bytes::from(bytes)
        };
        let big: Bytes = vec![b'x'; MAX_BODY + 1].into();
        let mut cases = vec![
            ("an empty head", unit.sign_bytes(Bytes::new(), None)),
            ("garbage", unit.sign_bytes(Bytes::from_static(&[0xff; 40]), None)),
            ("a head too large", unit.sign_bytes(padded, good.body.clone())),
            ("sequence 0", with_head(&unit, |head| head.seq = 0)),
            ("a sequence without end", with_head(&unit, |head| head.seq = MAX_COUNTER + 1)),
            ("a first entry with a past", with_head(&unit, |head| head.seq = 1)),
            ("a later entry without one", with_head(&unit, |head| head.previous = None)),
            ("Lamport 0", with_head(&unit, |head| head.lamport = 0)),
            ("Lamport without end", with_head(&unit, |head| head.lamport = u64::MAX)),
            ("another body's hash", with_head(&unit, |head| head.body_hash = Hash([7; 32]))),
            ("another body's length", with_head(&unit, |head| head.body_size += 1)),
            ("a length out of bounds", with_head(&unit, |head| head.body_size = u64::MAX)),
            ("a body too large", {
                let head = unit.next_head(ALL, Lane::Content, &big);
                unit.sign(head, big).entry
            }),
            ("a body cut short", {
                let body = good.body.clone().unwrap();
                Entry { body: Some(body.slice(..body.len() - 1)), ..good.clone() }
            }),
            ("another body", Entry { body: Some(Bytes::from_static(b"x")), ..good.clone() }),
            ("an empty body", Entry { body: Some(Bytes::new()), ..good.clone() }),
        ];
        for length in 1..head.len() {
            cases.push(("a head cut short", unit.sign_bytes(head.slice(..length), good.body.clone())));
        }
        for body in [&b"\xff\xff\xff"[..], b"\x8a\x01\x02\x0a\x10", b"\x8a\x01\x00"] {
            let body = Bytes::copy_from_slice(body);
            let head = unit.next_head(ALL, Lane::Content, &body);
            cases.push(("a body of garbage", unit.sign(head, body).entry));
        }
        let all: Vec<Entry> = cases.iter().map(|(_, entry)| entry.clone()).collect();
        let taken = site.take(all, REFILL).await;
        for ((what, _), outcome) in cases.iter().zip(&taken.outcomes) {
            let why = reason(outcome);
            // Cut at a field's end a head may read, but lacks something; never is it taken.
            assert_eq!(why, Some(Reason::Malformed), "{what}: {outcome:?}");
        }
        assert_eq!(site.journal().await.len(), 2);
        for (what, bad) in cases.into_iter().take(16) {
            refused(&site, &mut unit, what, bad, Reason::Malformed).await;
        }
        site.assert_sound_journal().await;
        site.close().await;
    }

    async fn what_nobody_signed_is_refused(database) {
        let mut site = TestSite::hub(database).await;
        let [mut unit, other] = site.with_units().await;
        let good = unit.write(ALL, article(1, "")).entry;
        let mut flipped = good.head.to_vec();
        let at = flipped.len() - 5;
        flipped[at] ^= 1;
        let by_other = other.sign_bytes(good.head.clone(), good.body.clone());
        let small = with_head(&unit, |head| {
            let mut identity = [0; 32];
            identity[0] = 1;
            head.key = PublicKey(identity);
        });
        let mut forged = [0; 64];
        forged[0] = 1;
        let small = Entry { signature: Bytes::copy_from_slice(&forged), ..small };
        let cases = [
            ("a head changed after signing", Entry { head: flipped.into(), ..good.clone() }),
            ("no signature", Entry { signature: Bytes::new(), ..good.clone() }),
            ("half a signature", Entry { signature: good.signature.slice(..32), ..good.clone() }),
            ("another's signature", Entry { signature: by_other.signature, ..good.clone() }),
            ("a key of small order", small),
        ];
        for (what, bad) in cases {
            refused(&site, &mut unit, what, bad, Reason::BadSignature).await;
        }
        site.close().await;
    }

    async fn an_unknown_suite_asks_for_an_upgrade(database) {
        let mut site = TestSite::hub(database).await;
        let [mut unit, _] = site.with_units().await;
        let good = unit.write(ALL, article(1, "")).entry;
        assert_eq!(good.head[..2], [0x08, 1], "the suite is the head's first field");
        for suite in [2, 99] {
            let mut head = good.head.to_vec();
            head[1] = suite;
            let newer = Entry { head: head.into(), ..good.clone() };
            refused(&site, &mut unit, "a later suite", newer, Reason::Upgrade).await;
        }
        site.close().await;
    }

    async fn a_key_that_is_not_the_sites_is_refused(database) {
        let mut site = TestSite::hub(database).await;
        let [mut unit, other] = site.with_units().await;
        let mut stranger = TestAuthor::new(50);
        let bad = stranger.write(ALL, article(1, "")).entry;
        refused(&site, &mut unit, "a site nobody enrolled", bad, Reason::UnknownKey).await;
        // A known key, but of another site: wrong site for the key.
        let body = encode_record(&article(1, ""));
        let mut head = unit.next_head(ALL, Lane::Content, &body);
        head.key = other.identity.public();
        let bad = other.sign(head, body).entry;
        refused(&site, &mut unit, "another site's key", bad, Reason::UnknownKey).await;
        // A further key before the change that binds it.
        let mut rotated = unit.clone();
        rotated.rotate(&[ALL]);
        let bad = rotated.write(ALL, article(3, "")).entry;
        refused(&site, &mut unit, "a key before its change", bad, Reason::UnknownKey).await;
        site.close().await;
    }

    async fn what_binds_a_key_counts_for_the_rest_of_its_batch(database) {
        let mut site = TestSite::hub(database).await;
        let mut unit = TestAuthor::new(9);
        let enrolled = enrolment(&unit.identity, "wugong", Scope::Organization, false, "");
        let early = unit.write(ALL, article(1, ""));
        let enrolled = site.hub.write(enrolled.audience(), Record::Enrolment(enrolled));
        let mut batch = vec![early.clone(), enrolled];
        batch.extend(unit.rotate(&[ALL]));
        batch.push(unit.write(ALL, article(2, "")));
        for n in 3..6 {
            batch.extend(unit.rotate(&[ALL]));
            batch.push(unit.write(ALL, article(n, "")));
        }
        batch.extend(unit.rotate(&[ALL]));
        batch.extend(unit.rotate(&[ALL]));
        batch.push(unit.write(ALL, article(9, "")));
        let outcomes = site.outcomes(&batch).await;
        assert_eq!(reason(&outcomes[0]), Some(Reason::UnknownKey), "before its enrolment");
        for (index, outcome) in (0..).zip(&outcomes).skip(1) {
            assert_eq!(*outcome, Outcome::Accepted(index), "entry {index}");
        }
        assert!(matches!(site.outcomes(&[early]).await[0], Outcome::Accepted(_)));
        assert!(site.rebuild().await.unchanged);
        site.assert_sound_journal().await;
        site.close().await;
    }

    async fn a_revoked_site_pushes_no_more_but_its_past_can_be_refilled(database) {
        let mut site = TestSite::hub(database).await;
        let [mut unit, mut other] = site.with_units().await;
        let before = unit.write(ALL, article(1, ""));
        let after = unit.write(ALL, article(2, ""));
        let revoked = site.hub.write(ALL, revocation(unit.site(), ""));
        site.accept([&before, &revoked]).await;
        let below = |author: &TestAuthor| Origin::Below {
            site: author.site(),
            ceiling: Scope::Internal,
            refill: false,
        };
        let taken = site.take(vec![after.entry.clone()], below(&unit)).await;
        assert_eq!(reason(&taken.outcomes[0]), Some(Reason::Revoked));
        let fine = other.write(ALL, article(3, ""));
        assert_eq!(site.take(vec![fine.entry], below(&other)).await.accepted(), 1);
        assert_eq!(site.take(vec![after.entry], REFILL).await.accepted(), 1);
        site.close().await;
    }

    async fn a_site_pushes_its_own_within_its_ceiling_unless_asked_for_more(database) {
        let mut site = TestSite::hub(database).await;
        let [mut unit, mut other] = site.with_units().await;
        let pusher = other.site();
        let below = |refill| Origin::Below { site: pusher, ceiling: Scope::Organization, refill };
        let own = other.write(ALL, article(1, ""));
        let narrow = other.write(Audience::all(Scope::Internal), article(2, ""));
        let direct = other.write(Audience::direct(Scope::Internal, unit.site()), notice(3, ""));
        let rising = other.write(Audience::direct(Scope::Organization, unit.site()), notice(4, ""));
        let siblings = unit.write(ALL, article(5, ""));
        let batch = entries([&own, &narrow, &direct, &rising, &siblings]);
        let taken = site.take(batch.clone(), below(false)).await;
        let reasons: Vec<_> = taken.outcomes.iter().map(reason).collect();
        let audience = Some(Reason::Audience);
        assert_eq!(reasons, [None, audience, audience, None, Some(Reason::NotYours)]);
        let taken = site.take(batch, below(true)).await;
        let reasons: Vec<_> = taken.outcomes.iter().map(reason).collect();
        assert_eq!(reasons, [None, audience, audience, None, None]);
        assert!(matches!(taken.outcomes[4], Outcome::Accepted(_)));
        site.close().await;
    }

    async fn a_node_takes_from_its_hub_only_what_is_for_it(database) {
        let mut site = TestSite::node(database).await;
        let [_, mut sibling] = site.with_units().await;
        let (me, hub) = (site.id(), &mut site.hub);
        let reader = Reader::site(me, Scope::Organization, Scope::Organization);
        let batch = [
            (hub.write(ALL, article(1, "")), true),
            (hub.write(Audience::all(Scope::Internal), article(2, "")), false),
            (hub.write(Audience::direct(Scope::Organization, me), notice(3, "")), true),
            (hub.write(Audience::direct(Scope::Internal, me), notice(4, "")), false),
            (hub.write(Audience::direct(Scope::Organization, sibling.site()), notice(5, "")), false),
            (sibling.write(ALL, article(6, "")), true),
            (sibling.write(Audience::direct(Scope::Public, me), notice(7, "")), true),
        ];
        let made: Vec<&Made> = batch.iter().map(|(made, _)| made).collect();
        let taken = site.take(entries(made), Origin::Above { reader }).await;
        for (index, (outcome, (_, meant))) in taken.outcomes.iter().zip(&batch).enumerate() {
            let expected = (!meant).then_some(Reason::Audience);
            assert_eq!(reason(outcome), expected, "entry {index}");
        }
        site.assert_sound_journal().await;
        site.close().await;
    }

    async fn each_rule_of_who_may_write_what_is_kept(database) {
        let mut site = TestSite::hub(database).await;
        let [mut unit, other] = site.with_units().await;
        let (original, far) = (unit.write(ALL, article(1, "")), unit.write(WIDE, article(2, "")));
        let direct = Audience::direct(Scope::Organization, other.site());
        let told = unit.write(direct, notice(3, ""));
        let by_hub = site.hub.write(ALL, article(4, ""));
        site.accept([&original, &far, &told, &by_hub]).await;
        let hub = site.hub.clone();
        let lone = {
            let Record::Release(mut it) = release(&original, None, "") else { unreachable!() };
            it.approvals.truncate(1);
            Record::Release(it)
        };
        let twice = {
            let Record::Release(mut it) = release(&original, None, "") else { unreachable!() };
            it.approvals[1].person = " 陈 志强".into();
            Record::Release(it)
        };
        let enrolled = enrolment(&other.identity, "qita", Scope::Public, false, "");
        let as_hub = enrolment(&other.identity, "qita", Scope::Public, true, "");
        let stolen = KeyChange { key: other.identity.public(), proof: other.identity.key_proof() };
        let cases: Vec<(&str, &TestAuthor, Audience, Record)> = vec![
            ("a unit enrols", &unit, ALL, Record::Enrolment(enrolled.clone())),
            ("a unit says it is a hub", &unit, ALL, Record::Enrolment(as_hub.clone())),
            ("a hub says another is one", &hub, ALL, Record::Enrolment(as_hub)),
            ("an enrolment to one alone", &hub, direct, Record::Enrolment(enrolled)),
            ("a unit revokes", &unit, ALL, revocation(other.site(), "")),
            ("a revocation to one alone", &hub, direct, revocation(other.site(), "")),
            ("a unit says what it saw", &unit, ALL, first_seen([&by_hub], START_MS)),
            ("a unit releases another's", &unit, WIDE, release(&by_hub, None, "")),
            ("a release no further", &hub, ALL, release(&original, None, "")),
            ("a release to one alone", &hub, Audience::direct(Scope::Public, other.site()), release(&original, None, "")),
            ("a direct entry released", &hub, WIDE, release(&told, None, "")),
            ("an own release by one", &unit, WIDE, lone),
            ("an own release by one, twice", &unit, WIDE, twice),
            ("another's entry withdrawn", &unit, ALL, retraction([&by_hub], None, "")),
            ("a receipt to all", &unit, ALL, receipt(hub.site(), id(4), Stage::Read, "")),
            ("a receipt to a third", &unit, direct, receipt(hub.site(), id(4), Stage::Read, "")),
        ];
        let cases: Vec<(&str, Entry)> = cases
            .into_iter()
            .map(|(what, author, audience, it)| (what, author.clone().write(audience, it).entry))
            .collect();
        for (what, bad) in cases {
            refused(&site, &mut unit, what, bad, Reason::Rule).await;
        }
        let bad = unit.clone().write(ALL, Record::KeyChange(stolen)).entry;
        refused(&site, &mut unit, "a key without its proof", bad, Reason::BadSignature).await;
        // A record in the wrong lane.
        let body = encode_record(&column("news", ""));
        let head = unit.next_head(ALL, Lane::Control, &body);
        let bad = unit.sign(head, body).entry;
        refused(&site, &mut unit, "a column in the control lane", bad, Reason::Rule).await;
        site.assert_sound_journal().await;
        site.close().await;
    }

    async fn a_release_with_a_broken_original_is_refused(database) {
        let mut site = TestSite::node(database).await;
        let [mut unit, other] = site.with_units().await;
        let original = unit.write(ALL, article(1, ""));
        let hub = site.hub.clone();
        let broken = |change: &dyn Fn(&mut Made)| {
            let mut original = original.clone();
            change(&mut original);
            hub.clone().write(WIDE, release(&original, None, "")).entry
        };
        let forged = {
            let mut head = original.head.clone();
            head.key = other.identity.public();
            let made = other.sign(head, original.entry.body.clone().unwrap());
            Made { record: original.record.clone(), ..made }
        };
        let cases = [
            ("a signature that does not hold", broken(&|it| it.entry.signature = vec![1; 64].into()), Reason::BadSignature),
            ("another body", broken(&|it| it.entry.body = Some(encode_record(&article(7, "")))), Reason::Rule),
            ("no body", broken(&|it| it.entry.body = None), Reason::Malformed),
            ("a column", broken(&|it| {
                let made = unit.clone().write(ALL, column("x", ""));
                it.entry = made.entry;
            }), Reason::Malformed),
            ("a key its site does not have", broken(&|it| *it = forged.clone()), Reason::Rule),
        ];
        for (what, bad, why) in cases {
            refused(&site, &mut unit, what, bad, why).await;
        }
        site.close().await;
    }
}
