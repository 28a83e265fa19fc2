//! Random numbers that a 64-bit seed decides (SplitMix64, after Steele, Lea and Flood, 2014).

/// A source of random choices.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 if there is none.
    pub fn below(&mut self, end: usize) -> usize {
        match end {
            0 => 0,
            _ => (self.number() % end as u64) as usize,
        }
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        list.get(self.below(list.len()))
    }

    pub fn pick_mut<'a, T>(&mut self, list: &'a mut [T]) -> Option<&'a mut T> {
        let place = self.below(list.len());
        list.get_mut(place)
    }

    /// An integer of those that programs get wrong.
    pub fn integer(&mut self) -> i64 {
        const INTERESTING: [i64; 24] = [
            0,
            1,
            -1,
            2,
            3,
            4,
            7,
            8,
            -2,
            16,
            64,
            127,
            128,
            255,
            256,
            4096,
            65_536,
            1 << 20,
            1 << 31,
            -(1 << 31),
            1 << 40,
            i64::MAX,
            i64::MIN,
            i64::MIN + 1,
        ];
        match self.below(4) {
            0 => self.below(12) as i64 - 4,
            _ => INTERESTING[self.below(INTERESTING.len())],
        }
    }

    /// A number of those that programs get wrong.
    pub fn real(&mut self) -> f32 {
        const INTERESTING: [f32; 10] = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            0.5,
            1e-30,
            1e30,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::NAN,
        ];
        INTERESTING[self.below(INTERESTING.len())]
    }
}
