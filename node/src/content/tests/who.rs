//! Who belongs, and with which keys.

use super::*;
use crate::content::site::{self, KeyChange, Revocation};

#[tokio::test]
async fn the_latest_enrolment_counts_and_every_key_stays() {
    on_each!(|tx| {
        let mut hub = Author::new(1);
        let unit = Author::new(2);
        let renewed = Identity::new(unit.site(), SigningKey::from_bytes(&[55; 32]));
        let county = hub.identity.clone();
        let itself = hub.enrols(&county, "county", Scope::Internal, true);
        let first = hub.enrols(&unit.identity, "yantian", Scope::Organization, false);
        let second = hub.enrols(&renewed, "yantian-xin", Scope::Internal, false);
        keep(tx, &[&second, &first, &itself]).await;

        let view = site::get(tx, unit.site()).await.unwrap().unwrap();
        assert_eq!((view.key, view.ceiling, view.hub), (renewed.public(), Scope::Internal, false));
        assert_eq!(view.unit, super::unit("yantian-xin"));
        assert_eq!((view.revoked.as_deref(), view.enrolled_by), (None, hub.site()));
        let asked = [
            (unit.site(), unit.identity.public()),
            (unit.site(), renewed.public()),
            (unit.site(), hub.identity.public()),
        ];
        assert_eq!(site::bound(tx, &asked).await.unwrap(), asked[..2].iter().copied().collect());
        assert_eq!(site::by_code(tx, "yantian-xin").await.unwrap().unwrap(), view);
        assert_eq!(site::by_code(tx, "yantian").await.unwrap(), None);
        let all: Vec<SiteId> = site::all(tx).await.unwrap().iter().map(|it| it.site).collect();
        assert_eq!(all, [hub.site(), unit.site()]);
        assert_eq!(site::invite_spent(tx, id(2)).await.unwrap(), Some(unit.site()));
        assert_eq!(site::invite_spent(tx, id(3)).await.unwrap(), None);
        // The tree of units is not for the public; the hub is.
        let seen = |view: &site::SiteView| (view.may_see(PUBLIC), view.may_see(hub.reader()));
        assert_eq!(seen(&view), (false, true));
        assert_eq!(seen(&site::get(tx, hub.site()).await.unwrap().unwrap()), (true, true));
    });
}

#[tokio::test]
async fn keys_come_from_key_changes_and_pins_too() {
    on_each!(|tx| {
        let mut unit = Author::new(2);
        let further = Identity::new(unit.site(), SigningKey::from_bytes(&[55; 32]));
        let change = KeyChange { key: further.public(), proof: further.key_proof() };
        let audience = Audience::all(Scope::Organization);
        let change = unit.write(audience, Record::KeyChange(change));
        keep(tx, &[&change]).await;
        let pinned = (unit.site(), unit.identity.public());
        tx.execute("INSERT INTO pins (site, key) VALUES ($1, $2)", args![pinned.0, pinned.1])
            .await
            .unwrap();
        let asked = [(unit.site(), further.public()), pinned];
        assert_eq!(site::bound(tx, &asked).await.unwrap(), asked.into_iter().collect());
        assert!(site::bound(tx, &[]).await.unwrap().is_empty());
    });
}

#[tokio::test]
async fn a_revoked_site_stays_so_and_its_code_goes_to_its_successor() {
    on_each!(|tx| {
        let mut hub = Author::new(1);
        let (old, new) = (Author::new(2), Author::new(3));
        let revocation = Revocation { site: old.site(), reason: "设备遗失".into() };
        let made = [
            hub.write(Audience::all(Scope::Organization), Record::Revocation(revocation)),
            hub.enrols(&new.identity, "yantian", Scope::Organization, false),
            hub.enrols(&old.identity, "yantian", Scope::Organization, false),
        ];
        keep(tx, &made.iter().collect::<Vec<_>>()).await;
        assert_eq!(site::revoked(tx).await.unwrap(), [old.site()].into());
        let gone = site::get(tx, old.site()).await.unwrap().unwrap();
        assert_eq!(gone.revoked.as_deref(), Some("设备遗失"));
        let found = site::by_code(tx, "yantian").await.unwrap().unwrap();
        assert_eq!(found.site, new.site());
    });
}
