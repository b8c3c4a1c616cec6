//! When the power fails in the tests of whole programs, and what it may leave: few in the gate, as many as are asked for in a campaign.

use millstream::testkit::PowerCut;

/// The power fails at each so-many-th operation: `POWER_CUT_STEP`, 7 without it.
pub(crate) fn step() -> usize {
    number("POWER_CUT_STEP", 7).max(1)
}

/// What it leaves when it fails at operation `at`: `POWER_CUT_IMAGES` of all that it may, 6 without it. The first are nothing unsynced, all of it,
/// the last write torn in ways, and a throw of the die for each operation; then come the first few operations, and more throws.
pub(crate) fn cuts(at: u64) -> impl Iterator<Item = PowerCut> {
    let torn = |sectors, zero_filled| PowerCut::Torn { sectors, zero_filled };
    let fixed =
        [PowerCut::Lost, PowerCut::Kept, PowerCut::Random(at), torn(0, true), torn(0, false), torn(1, false)];
    let prefixes = (1..8).map(PowerCut::Prefix);
    let random = (1..).map(move |throw| PowerCut::Random(at + throw * 1_000_003));
    fixed.into_iter().chain(prefixes).chain(random).take(number("POWER_CUT_IMAGES", 6))
}

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|number| number.parse().ok()).unwrap_or(default)
}
