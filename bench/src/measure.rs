//! What one run showed, and the middle of several.

use std::time::Duration;

/// A run over groups of messages.
#[derive(Clone, Debug, Default)]
pub struct Measure {
    /// Messages done.
    pub messages: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// CPU time of the process, the making of the load taken out.
    pub cpu: Duration,
    /// Of each group, from when it was handed in until it was durable or answered; sorted.
    pub latencies: Vec<Duration>,
}

impl Measure {
    /// Messages a second.
    pub fn rate(&self) -> f64 {
        self.messages as f64 / self.elapsed.as_secs_f64()
    }

    /// Microseconds of CPU a message.
    pub fn cpu_micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.messages.max(1) as f64
    }

    /// A quantile of the latencies, us.
    pub fn micros(&self, at: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let latency = self.latencies.get((last as f64 * at) as usize).copied().unwrap_or_default();
        latency.as_secs_f64() * 1e6
    }
}

/// The middle value; of an even number the upper middle one, and 0 of none.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([]), 0.0);
    }

    #[test]
    fn quantiles_and_rates() {
        let latencies = (1..=1000).map(Duration::from_micros).collect();
        let (elapsed, cpu) = (Duration::from_secs(2), Duration::from_millis(1));
        let measure = Measure { messages: 500, elapsed, cpu, latencies };
        assert_eq!((measure.rate(), measure.cpu_micros()), (250.0, 2.0));
        assert!((measure.micros(0.99) - 990.0).abs() < 1.5 && (measure.micros(0.5) - 500.0).abs() < 1.5);
    }
}
