//! Sessions with the operators that are opened at the same time.

use super::{array, model, options};
use crate::runtime::{Provider, Session};
use std::sync::Barrier;

#[test]
fn sessions_are_opened_at_the_same_time() {
    let picture = array([1, 1, 1, 2], 0);
    let inputs = [("x", &picture)];
    let model = model(&inputs, |builder| builder.emit("Relu", &["x"], &[]));
    let barrier = Barrier::new(8);
    let open = || {
        barrier.wait();
        Session::open_model(&model, Provider::Cpu, &options()).map(drop)
    };
    std::thread::scope(|scope| {
        let opened: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        for session in opened {
            session.join().unwrap().unwrap();
        }
    });
}
