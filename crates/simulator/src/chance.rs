//! Chance that repeats itself: numbers that follow from a seed and from what they are drawn for, never from when.
//!
//! What one thing draws does not move what another draws, so a disturbance that is taken away changes little else. That
//! is what makes a failing run shrink well.

/// A row of numbers (SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// The row of a seed for what the keys name.
    pub fn new(seed: u64, keys: &[u64]) -> Self {
        keys.iter().fold(Chance(seed), |mut chance, key| Chance(chance.draw() ^ key.wrapping_mul(GOLDEN)))
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.draw() % end
    }

    /// True once in so many times.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of a list that is not empty.
    pub fn one_of<T: Copy>(&mut self, list: &[T]) -> T {
        let index = usize::try_from(self.below(list.len() as u64)).expect("it is below a length");
        list[index]
    }
}

/// 2^64 / golden ratio, odd.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_keys_draw_the_same_row_and_others_another() {
        let row = |seed, keys: &[u64]| {
            let mut chance = Chance::new(seed, keys);
            (0..4).map(|_| chance.draw()).collect::<Vec<_>>()
        };
        assert_eq!(row(1, &[2, 3]), row(1, &[2, 3]));
        assert_ne!(row(1, &[2, 3]), row(1, &[3, 2]));
        assert_ne!(row(1, &[2, 3]), row(2, &[2, 3]));
    }
}
