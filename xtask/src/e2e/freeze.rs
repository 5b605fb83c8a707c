//! A function's process that is stopped, as Lambda freezes it, and continues with dead connections.

use anyhow::Result;

use super::Setup;
use super::checks::Checks;
use crate::client::Client;
use crate::emulator::point_at;
use crate::wire::{Fate, Wire};

pub(super) async fn journey(setup: &Setup<'_>, checks: &mut Checks) -> Result<()> {
    let wire = Wire::start(setup.emulator.endpoint()).await;
    let environment = |command: &mut std::process::Command| point_at(&wire.endpoint, command);
    let function = setup.function_with("counter", &environment).await?;
    let url = &function.url().to_owned();
    let mut client = Client::new();
    let first = client.get(url).await?;
    checks.equal("freeze: before it", &*first.body, "visit 1\n");
    let fates = [
        ("are closed", Fate::Closed, "visit 2\n"),
        ("are reset", Fate::Reset, "visit 3\n"),
        ("go silent", Fate::Silent, "visit 4\n"),
    ];
    for (what, fate, wanted) in fates {
        let before = wire.connections();
        function.freeze()?;
        wire.decide(fate);
        function.thaw()?;
        let reply = client.get(url).await?;
        let what = format!("freeze: after it, when its connections {what}");
        checks.equal(&what, &*reply.body, wanted);
        let what = "freeze: over a new connection";
        checks.holds(what, wire.connections() > before);
    }
    function.stop()
}
