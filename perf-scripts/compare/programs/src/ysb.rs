//! The events of the modified Yahoo streaming benchmark, made from their number alone, so that programs in all languages make the
//! same ones; see `workloads/ysb.py`.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use crate::Outcome;

/// The type of an event that is counted; there are three.
pub const VIEW: u32 = 0;

/// An event: 32 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// Who saw it; nobody asks.
    pub user: u64,
    /// The ad, by its random number.
    pub ad: u64,
    /// Milliseconds since the first event.
    pub time_ms: u64,
    /// View, click or purchase.
    pub event_type: u32,
}

/// The number of the campaign of each ad.
pub type Campaigns = HashMap<u64, u32, ahash::RandomState>;

/// How many there are of everything.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Events in all, evenly spaced.
    pub events: u64,
    /// How long they take.
    pub seconds: u64,
    /// Campaigns.
    pub campaigns: u64,
    /// Ads of each campaign.
    pub ads_per_campaign: u64,
}

impl Load {
    /// Reads the four numbers of an input.
    ///
    /// # Errors
    /// When the file is not four numbers.
    pub fn read(path: &Path) -> Outcome<Self> {
        let text = fs::read_to_string(path)?;
        let numbers: Vec<u64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        let [events, seconds, campaigns, ads_per_campaign] = numbers[..] else {
            return Err(format!("{}: four numbers were expected", path.display()).into());
        };
        Ok(Load { events, seconds, campaigns, ads_per_campaign })
    }

    /// The events of a second, the first being 0.
    pub fn events_of(&self, second: u64) -> impl Iterator<Item = Event> + use<> {
        let load = *self;
        let first = |second: u64| (second * load.events).div_ceil(load.seconds);
        (first(second)..first(second + 1)).map(move |number| load.event(number))
    }

    fn event(&self, number: u64) -> Event {
        let random = mix(number);
        Event {
            user: mix(random),
            ad: ad(random % (self.campaigns * self.ads_per_campaign)),
            time_ms: number * self.seconds * 1_000 / self.events,
            event_type: ((random >> 32) % 3) as u32,
        }
    }

    /// The campaign of each ad.
    pub fn campaign_of_ad(&self) -> Campaigns {
        let ads = 0..self.campaigns * self.ads_per_campaign;
        ads.map(|index| (ad(index), (index / self.ads_per_campaign) as u32)).collect()
    }
}

fn ad(index: u64) -> u64 {
    mix((1 << 40) + index)
}

/// SplitMix64 (Steele, Lea, Flood 2014): the `number`-th of its outputs.
fn mix(number: u64) -> u64 {
    let z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
