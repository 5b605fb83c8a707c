//! Reproducible random numbers.

/// Random numbers that are reproducible from their seed (splitmix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

/// Returns the seeds of a history. `LAMBDA_SESSIONS_HISTORY_SEEDS` is their number (default 3), and
/// `LAMBDA_SESSIONS_HISTORY_SEED` is the first one (default 1).
pub fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str, default| {
        let set = std::env::var(name).ok();
        set.map_or(default, |text| text.parse().unwrap())
    };
    let first = number("LAMBDA_SESSIONS_HISTORY_SEED", 1);
    first..first + number("LAMBDA_SESSIONS_HISTORY_SEEDS", 3)
}
