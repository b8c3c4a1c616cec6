//! Two processes with one checkpoint directory: there is one at a time.

use crate::oracle::check;
use crate::process::{Folder, Program, Random, eventually};
use crate::sender::Sender;

/// The second one ends with a message that says why, and the first goes on as if nothing had been. When that is killed, the next one may.
#[test]
fn a_second_process_ends_with_a_message_and_the_first_goes_on() {
    let (folder, mut random) = (Folder::new(), Random::new(17));
    let program = Program::new(folder.path(), &["--listen", "127.0.0.1:0"]);
    let (mut sender, mut first) = (Sender::new("two-processes-test"), program.start());
    let mut connection = sender.connect_to(&mut first).expect("it listens");
    for _ in 0..2 {
        let mut second = program.start();
        eventually("the second process ends by itself", || {
            sender.make(&mut connection, random.below(300) as usize);
            sender.exchange(&mut connection).expect("the first process lives");
            second.has_ended()
        });
        let (status, told) = second.end();
        assert_eq!(status.code(), Some(1), "{told}");
        assert!(told.contains("is not free: one program at a time may use it"), "{told}");
        assert!(told.contains(&folder.path().join("checkpoint").display().to_string()), "{told}");
        sender.make(&mut connection, 1);
        eventually("the first process acknowledges what has come since", || {
            sender.exchange(&mut connection).expect("the first process lives");
            sender.under_way(&connection) == 0
        });
    }
    first.kill();
    let mut next = program.start();
    let mut connection = sender.connect_to(&mut next).expect("it listens");
    sender.make(&mut connection, 100);
    let sent = sender.finish(&mut connection);
    next.stop();
    let found = check(&program, &sent);
    assert!(found.is_exact(), "{found:?}");
    program.assert_memory_is_bounded();
}
