//! In a process of its own: a thread of another test that ends meanwhile would take its counts along.

use std::time::Duration;

use bench::process::usage;

#[test]
fn our_own_use_is_told() {
    let me = std::process::id();
    let before = usage(me).expect("told");
    let began = server::clock::instant();
    while began.elapsed() < Duration::from_millis(60) {
        std::hint::black_box((0..1000u64).sum::<u64>());
    }
    for _ in 0..300 {
        std::thread::sleep(Duration::from_micros(100));
    }
    let spent = usage(me).expect("told") - before;
    assert!(spent.cpu >= Duration::from_millis(20), "{spent:?}");
    assert!(spent.wakeups >= 100, "{spent:?}");
}
