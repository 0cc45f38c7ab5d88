//! What became of an article: adopted and released, to whom it may be told.

use super::*;
use crate::content::article::{self as articles, Article, ArticleFilter, Origin};

const INTERNAL: Audience = Audience::all(Scope::Internal);
const ORGANIZATION: Audience = Audience::all(Scope::Organization);

fn adopts(hub: &mut Author, n: u8, audience: Audience, original: &Made) -> Made {
    let Record::Article(it) = &original.record else { panic!("not an article") };
    let origin = Origin { site: original.head.log.site, id: it.id, hash: original.hash };
    let adopted = Article { id: id(n), origin: Some(origin), ..it.clone() };
    hub.write(audience, Record::Article(adopted))
}

#[tokio::test]
async fn what_became_of_an_article_is_told_to_who_may_read_it() {
    on_each!(|tx| {
        let (mut hub, mut unit) = (Author::new(1), Author::new(2));
        let first = unit.write(ORGANIZATION, article(1, "甲", day(1)));
        let second = unit.write(ORGANIZATION, article(2, "乙", day(1)));
        let inside = adopts(&mut hub, 11, INTERNAL, &first);
        let shown = adopts(&mut hub, 12, ORGANIZATION, &first);
        let release = hub.releases(Scope::Public, &second, Some(day(2)));
        keep(tx, &[&first, &second, &inside, &shown, &release]).await;

        let told = async |tx: &mut Tx, ceiling| {
            let reader = Reader::anonymous(ceiling);
            let ids = [id(1), id(2), id(3)];
            let all = articles::standings(tx, reader, unit.site(), &ids).await.unwrap();
            let adopted = |n| {
                all.get(&id(n)).map_or(Vec::new(), |it| it.adopted.iter().map(|it| it.id).collect())
            };
            (adopted(1), adopted(2), all.get(&id(2)).and_then(|it| it.released))
        };
        let public = Some(Scope::Public);
        assert_eq!(told(tx, Scope::Internal).await, (vec![id(11), id(12)], vec![], public));
        assert_eq!(told(tx, Scope::Organization).await, (vec![id(12)], vec![], public));
        assert_eq!(told(tx, Scope::Public).await, (vec![], vec![], public));
        let own = articles::adopted_by(tx, hub.site(), unit.site(), id(1)).await.unwrap();
        assert_eq!(own, [id(11), id(12)]);

        let gone = hub.retracts(ORGANIZATION, &[&shown], Some(id(12)));
        keep(tx, &[&gone]).await;
        assert_eq!(told(tx, Scope::Organization).await.0, vec![]);
    });
}

#[tokio::test]
async fn a_withdrawn_original_flags_its_copy_for_who_may_know() {
    on_each!(|tx| {
        let (mut hub, mut unit) = (Author::new(1), Author::new(2));
        let original = unit.write(ORGANIZATION, article(1, "甲", day(1)));
        let copy = adopts(&mut hub, 11, ORGANIZATION, &original);
        let release = hub.releases(Scope::Public, &copy, None);
        keep(tx, &[&original, &copy, &release]).await;
        let flagged = async |tx: &mut Tx, ceiling| {
            let reader = Reader::anonymous(ceiling);
            let of_hub = ArticleFilter { site: Some(hub.site()), ..ArticleFilter::default() };
            let lines = articles::list(tx, reader, &of_hub).await.unwrap();
            let flags: Vec<bool> = lines.iter().map(|line| line.origin_withdrawn).collect();
            flags
        };
        assert_eq!(flagged(tx, Scope::Internal).await, [false]);
        let gone = unit.retracts(ORGANIZATION, &[&original], Some(id(1)));
        keep(tx, &[&gone]).await;
        assert_eq!(flagged(tx, Scope::Organization).await, [true]);
        // The copy stays on the internet, where nobody knows of the original's end.
        assert_eq!(flagged(tx, Scope::Public).await, [false]);
    });
}

#[tokio::test]
async fn an_original_is_taken_as_its_author_wrote_it_even_out_of_a_release() {
    on_each!(|tx| {
        let (mut hub, mut unit) = (Author::new(1), Author::new(2));
        let original = unit.write(ORGANIZATION, article(1, "甲", day(1)));
        let release = hub.releases(Scope::Public, &original, Some(day(2)));
        keep(tx, &[&original, &release]).await;
        for ceiling in [Scope::Internal, Scope::Public] {
            let reader = Reader::anonymous(ceiling);
            let found = articles::original(tx, reader, unit.site(), id(1)).await.unwrap().unwrap();
            assert_eq!(Record::Article(found.article), original.record);
            assert_eq!(found.origin.hash, original.hash);
        }
        let nothing = articles::original(tx, PUBLIC, unit.site(), id(2)).await.unwrap();
        assert!(nothing.is_none());
    });
}
