//! `notice status`: 应签, 已签, 未签.

use clap::Args;
use lianbo_node::cli::article::Id;
use lianbo_node::cli::{Desk, output, time};
use lianbo_node::content::notice::{self, UnitStanding};

/// Tell how far each unit got with a notice.
#[derive(Clone, Debug, Args)]
pub struct Status {
    #[command(flatten)]
    id: Id,
}

impl Status {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let mut tx = desk.read().await?;
        let (site, id) = notice::find(&mut tx, desk.reader(), &self.id.id).await?;
        let units = notice::standing(&mut tx, desk.reader(), site, id).await?;
        let signed = units.iter().filter(|it| it.signed_ms.is_some()).count();
        let value = serde_json::json!({
            "id": id,
            "site": site,
            "expected": units.len(),
            "signed": signed,
            "unsigned": units.len() - signed,
            "units": units,
        });
        desk.out.either(&value, || {
            let heads = ["unit", "name", "delivered", "read", "signed", "person"];
            let table = output::table(&heads, units.iter().map(row).collect());
            format!("应签 {}  已签 {signed}  未签 {}\n{table}", units.len(), units.len() - signed)
        })
    }
}

fn row(it: &UnitStanding) -> Vec<String> {
    let unit = it.unit.as_ref();
    vec![
        unit.map_or_else(|| output::short(it.site), |unit| unit.code.clone()),
        unit.map(|unit| unit.name.clone()).unwrap_or_default(),
        time::or_dash(it.delivered_ms),
        time::or_dash(it.read_ms),
        time::or_dash(it.signed_ms),
        it.person.clone(),
    ]
}
