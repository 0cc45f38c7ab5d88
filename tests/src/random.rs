//! Random but valid history of a hub and two units, for proptest; every text of entry `n` holds the mark of `n`.

use lianbo_node::content::Record;
use lianbo_node::content::receipt::Stage;
use lianbo_node::entry::RecordId;
use lianbo_node::scope::{Audience, Scope};
use proptest::prelude::*;

use crate::author::{Made, TestAuthor};
use crate::records::{
    START_MS, article_in, column, enrolment, first_seen, id, notice, receipt, release, retraction,
    revocation,
};

/// What one author does next. The numbers choose among few things, so that they meet.
#[derive(Clone, Debug)]
pub struct Step {
    author: usize,
    kind: u8,
    scope: usize,
    to: usize,
    record: u8,
    pick: usize,
}

/// Up to `most` steps.
pub fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = (0..3usize, 0..20u8, 0..3usize, 0..6usize, 1..4u8, any::<usize>()).prop_map(
        |(author, kind, scope, to, record, pick)| Step { author, kind, scope, to, record, pick },
    );
    proptest::collection::vec(step, 1..most)
}

/// The order in which a replica gets a history, and the sizes of the batches.
#[derive(Clone, Debug)]
pub struct Arrival {
    keys: Vec<u32>,
    sizes: Vec<usize>,
}

/// Any order, any batching.
pub fn arrival() -> impl Strategy<Value = Arrival> {
    let keys = proptest::collection::vec(any::<u32>(), 1..60);
    let sizes = proptest::collection::vec(1..12usize, 1..6);
    (keys, sizes).prop_map(|(keys, sizes)| Arrival { keys, sizes })
}

impl Arrival {
    /// The entries in that order, cut into batches.
    pub fn batches<'m>(&self, made: &'m [Made]) -> Vec<Vec<&'m Made>> {
        let mut order: Vec<(u32, usize)> = (0..made.len())
            .map(|index| {
                let key = self.keys[index % self.keys.len()];
                (key.rotate_left(u32::try_from(index / self.keys.len()).unwrap_or(0)), index)
            })
            .collect();
        order.sort_unstable();
        let mut batches = Vec::new();
        let mut rest = order.as_slice();
        for size in self.sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (batch, after) = rest.split_at((*size).min(rest.len()));
            batches.push(batch.iter().map(|(_, index)| &made[*index]).collect());
            rest = after;
        }
        batches
    }
}

/// The text that stands in every field of entry `n`, and in no other entry's.
pub fn mark(n: usize) -> String {
    format!("zq{n:04}qz")
}

/// What three authors wrote.
#[derive(Debug)]
pub struct History {
    /// The hub.
    pub hub: TestAuthor,
    /// Units with ceilings `internal` and `organization`.
    pub units: [TestAuthor; 2],
    /// Everything, in an order in which it may have been written. First the hub's words on who belongs.
    pub made: Vec<Made>,
}

/// Writes a history by these steps; what no author could write is left out.
pub fn history(steps: &[Step]) -> History {
    let mut authors = [TestAuthor::new(1), TestAuthor::new(2), TestAuthor::new(3)];
    let sites = authors.each_ref().map(TestAuthor::site);
    let mut made = Vec::new();
    let members = [
        ("county", Scope::Internal),
        ("zuzhibu", Scope::Internal),
        ("yantian", Scope::Organization),
    ];
    for (index, (code, ceiling)) in members.into_iter().enumerate() {
        let identity = authors[index].identity.clone();
        let it = enrolment(&identity, code, ceiling, index == 0, &mark(made.len()));
        made.push(authors[0].write(it.audience(), Record::Enrolment(it)));
    }
    for step in steps {
        // A second machine with the same data writes this entry: the log forks.
        let mut clone = authors[step.author].clone();
        let forks = step.kind == 19;
        let kind = if forks { step.kind % 4 } else { step.kind };
        let author = if forks { &mut clone } else { &mut authors[step.author] };
        let scope = Scope::ALL[step.scope];
        let all = Audience::all(scope);
        let other = sites[step.to % 3];
        let direct = step.to < 3 && other != author.site();
        let audience = if direct { Audience::direct(scope, other) } else { all };
        let text = mark(made.len());
        let picked = made[step.pick % made.len()].clone();
        let own = picked.site() == author.site();
        let at_ms = START_MS - 3_600_000 * i64::try_from(step.pick % 200).unwrap_or(0);
        let by_hub = step.author == 0;
        let next = match (kind, &picked.record) {
            (0..=4, _) => {
                let slug = if step.pick % 3 == 0 { "news" } else { "rencai" };
                author.write(audience, article_in(step.record, slug, &text))
            }
            (5 | 6, _) => author.write(audience, notice(step.record + 10, &text)),
            (7, _) => author.write(all, column("news", &text)),
            (8, Some(Record::Notice(it))) => {
                let stage = Stage::ALL[step.pick % 3];
                let to = Audience::direct(picked.audience().scope, picked.site());
                author.write(to, receipt(picked.site(), it.id, stage, &text))
            }
            (9 | 10, Some(Record::Article(_) | Record::Notice(_)))
                if (by_hub || own) && goes_wider(&picked, scope) =>
            {
                let seen = (!own && step.pick % 2 == 0).then_some(at_ms);
                author.write(all, release(&picked, seen, &text))
            }
            (11, _) if own && picked.head.log.lane == lianbo_node::entry::Lane::Content => {
                author.write(picked.audience(), retraction([&picked], None, &text))
            }
            (12, _) => author.write(audience, retraction([], Some(record(step)), &text)),
            (13, Some(Record::Article(_))) if by_hub && !own => {
                author.write(all, first_seen([&picked], at_ms))
            }
            (14, _) => {
                made.extend(author.rotate(&[all]));
                continue;
            }
            (15, _) if !by_hub => author.reborn(audience),
            (16, _) if by_hub => author.write(all, revocation(sites[1 + step.pick % 2], &text)),
            (17, _) => {
                // Of a kind to come.
                let mut body = vec![0xfa, 0x07, u8::try_from(text.len()).unwrap_or(0)];
                body.extend(text.as_bytes());
                author.write_body(audience, lianbo_node::entry::Lane::Content, body.into())
            }
            _ => continue,
        };
        made.push(next);
    }
    let [hub, one, two] = authors;
    History { hub, units: [one, two], made }
}

fn goes_wider(original: &Made, scope: Scope) -> bool {
    original.audience().addressee.is_none() && scope > original.audience().scope
}

fn record(step: &Step) -> RecordId {
    if step.pick.is_multiple_of(2) { id(step.record) } else { id(step.record + 10) }
}
