//! `sim --seeds N [--from S] [--ops K]`: runs seeds and says what came of them.

fn main() {
    let overrides = sim::options::Overrides { ops: Some(300), ..Default::default() };
    let args: Vec<u64> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let (from, n) = (args[0], args[1]);
    let mut failed = 0;
    for seed in from..from + n {
        let options = sim::options::Options::draw(seed, &overrides);
        let out = std::panic::catch_unwind(|| sim::world::World::new(options).run());
        match out {
            Ok((_, Ok(()))) => {}
            Ok((_, Err(why))) => {
                failed += 1;
                println!("seed {seed}: {}", &why[..why.len().min(1500)]);
            }
            Err(_) => {
                failed += 1;
                println!("seed {seed}: panic");
            }
        }
    }
    println!("{} passed, {failed} failed", n - failed);
}
