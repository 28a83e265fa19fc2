//! The random numbers of a run. They depend on its seed only, never on other runs.

use ndarray::Array3;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::iter;

/// The random number generator of one run.
#[derive(Debug, Clone)]
pub struct Random(ChaCha8Rng);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// The generator after `drawn` words of its stream.
    pub fn at(seed: u64, drawn: u64) -> Self {
        let mut random = Self::new(seed);
        random.0.set_word_pos(u128::from(drawn));
        random
    }

    /// Number of consumed words of the stream. A picture needs a few million, far fewer than 2^64.
    pub fn drawn(&self) -> u64 {
        self.0.get_word_pos() as u64
    }

    /// Uniform in [0, 1), from 24 bits.
    fn unit(&mut self) -> f64 {
        f64::from(self.0.next_u32() >> 8) / f64::from(1u32 << 24)
    }

    /// Uniform between `low` and `high`.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// The factors of `branches` residual branches, each dropped with probability `drop`. Kept branches are scaled up
    /// as in training, so that the expectation does not change. With probability 0 nothing is drawn, so that the run's
    /// views do not depend on whether other runs of the batch drop branches.
    pub fn branches(&mut self, drop: f64, branches: usize) -> Vec<f32> {
        if drop == 0.0 {
            return vec![1.0; branches];
        }
        let kept = (1.0 / (1.0 - drop)) as f32;
        (0..branches)
            .map(|_| if self.chance(drop) { 0.0 } else { kept })
            .collect()
    }

    /// True with probability `probability`.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Noise for a view of `count` elements, with a standard deviation drawn between 0 and `max`. If `max` is 0,
    /// nothing is drawn.
    pub fn view_noise(&mut self, max: f64, count: usize) -> Option<Noise> {
        if max == 0.0 {
            return None;
        }
        let deviation = self.uniform(0.0, max);
        let noise = Noise {
            random: self.clone(),
            deviation,
        };
        let after = self.0.get_word_pos() + count as u128;
        self.0.set_word_pos(after);
        Some(noise)
    }

    /// A picture (channels, height, width) of Gaussian noise with mean 0.
    pub fn noise(&mut self, dims: (usize, usize, usize), deviation: f64) -> Array3<f32> {
        Array3::from_shape_simple_fn(dims, || {
            // Box-Muller transform; 1 - u keeps the logarithm finite.
            let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
            let angle = 2.0 * std::f64::consts::PI * self.unit();
            (deviation * radius * angle.cos()) as f32
        })
    }
}

/// Approximately Gaussian noise with mean 0: each element is the sum of four uniform bytes (Irwin-Hall distribution).
#[derive(Debug, Clone)]
pub struct Noise {
    /// Its position in the stream; each element takes one word.
    random: Random,
    deviation: f64,
}

impl Noise {
    /// An infinite iterator over the elements.
    pub fn values(mut self) -> impl Iterator<Item = f32> {
        // The variance of a uniform byte is (256² - 1) / 12, its mean 255 / 2.
        let of_sum = (4.0 * (256.0f64.powi(2) - 1.0) / 12.0).sqrt();
        let scale = (self.deviation / of_sum) as f32;
        iter::repeat_with(move || {
            let bytes = self.random.0.next_u32().to_le_bytes();
            let sum: i32 = bytes.into_iter().map(i32::from).sum();
            (sum - 510) as f32 * scale
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_says_everything() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            (random.noise((3, 4, 4), 1.0), random.unit())
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7).0, draw(8).0);
    }

    #[test]
    fn it_goes_on_from_where_it_was() {
        let mut random = Random::new(7);
        let _ = random.noise((1, 3, 5), 1.0);
        let mut later = Random::at(7, random.drawn());
        let draw = |random: &mut Random| [0; 40].map(|_| random.unit());
        assert_eq!(draw(&mut later), draw(&mut random));
    }

    #[test]
    fn draws_fill_their_interval_and_noise_has_its_deviation() {
        let mut random = Random::new(1);
        let draws = [0; 1000].map(|_| random.uniform(-2.0, 3.0));
        let (least, most) = draws
            .iter()
            .fold((f64::MAX, f64::MIN), |(a, b), &x| (a.min(x), b.max(x)));
        assert!((-2.0..-1.95).contains(&least) && (2.95..3.0).contains(&most));
        let noise = random.noise((3, 64, 64), 0.5);
        let deviation = noise.mapv(|value| value * value).mean().unwrap().sqrt();
        assert!((deviation - 0.5).abs() < 0.02, "{deviation}");
    }

    #[test]
    fn the_noise_of_a_view_has_a_random_deviation_and_costs_nothing_without_one() {
        let mut random = Random::new(3);
        let deviations = [0; 50].map(|_| {
            let noise = random.view_noise(0.2, 4000).unwrap();
            let noise: Vec<f32> = noise.values().take(4000).collect();
            let count = noise.len() as f32;
            let mean = noise.iter().sum::<f32>() / count;
            let square = noise.iter().map(|value| value * value).sum::<f32>() / count;
            assert!(mean.abs() < 0.02, "{mean}");
            square.sqrt()
        });
        let (least, most) = deviations
            .iter()
            .fold((f32::MAX, f32::MIN), |(a, b), &x| (a.min(x), b.max(x)));
        assert!(
            least < 0.03 && (0.17..0.21).contains(&most),
            "{least} {most}"
        );
        let drawn = random.drawn();
        assert!(random.view_noise(0.0, 4000).is_none() && random.drawn() == drawn);
    }
}
