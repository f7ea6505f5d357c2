//! Guests that ask the model: without end, too much at once, where nobody answers, and what is no answer.

use cloister_cage::{
    Component, Ended, Fault, Limit, Limits, Mind, Nobody, Question, Run, Terms, Unanswered,
};

use crate::guests::{INTERFACE, MOMENT, run_under};

/// A component whose `run()` asks what so many bytes of text say, again and again if it is to.
fn asking(bytes: usize, again: &str) -> Component {
    let text = format!(
        r#"(component
  (import "cloister:mind/tasks@0.1.0" (instance $t
    (export "condense" (func (param "text" string) (result string)))))
  (core module $libc (memory (export "memory") 8)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 65536))
  (core instance $libc (instantiate $libc))
  (core func $ask (canon lower (func $t "condense") (memory $libc "memory") (realloc (func $libc "realloc"))))
  (core module $m
    (import "t" "ask" (func $ask (param i32 i32 i32)))
    (func (export "run") (loop $l (call $ask (i32.const 64) (i32.const {bytes}) (i32.const 0)) {again})))
  (core instance $m (instantiate $m (with "t" (instance (export "ask" (func $ask))))))
  (func $run (canon lift (core func $m "run")))
  (instance $e (export "run" (func $run)))
  (export "{INTERFACE}" (instance $e)))"#
    );
    Component::compile(&wat::parse_str(text).unwrap(), &Limits::STANDARD).unwrap()
}

/// Says the same to everything, and counts how often it was asked.
struct Parrot(&'static str, usize);

impl Mind for Parrot {
    fn answer(&mut self, _: &Question) -> Result<Option<String>, Unanswered> {
        self.1 += 1;
        Ok(Some(self.0.to_owned()))
    }
}

fn run(component: &Component, mind: &mut dyn Mind) -> Run {
    let terms = Terms {
        limits: &Limits::STANDARD,
        moment: MOMENT,
        stop: &|| false,
        mind,
    };
    run_under(terms, component, INTERFACE, "run", Vec::new())
}

#[test]
fn who_asks_without_end_is_stopped_and_who_asks_once_is_answered() {
    let limits = Limits::STANDARD;
    let mut parrot = Parrot("It says nothing.", 0);
    let once = run(&asking(limits.question_bytes, ""), &mut parrot);
    assert_eq!(once.ended, Ended::Returned(None));
    assert_eq!((once.used.questions, parrot.1), (1, 1));
    let mut parrot = Parrot("It says nothing.", 0);
    let endless = run(&asking(5, "(br $l)"), &mut parrot);
    assert_eq!(endless.ended, Ended::StoppedBy(Limit::Questions));
    assert_eq!(
        (endless.used.questions, parrot.1),
        (limits.questions, limits.questions)
    );
}

#[test]
fn a_question_that_is_too_long_is_not_asked() {
    let mut parrot = Parrot("It says nothing.", 0);
    let long = run(
        &asking(Limits::STANDARD.question_bytes + 1, ""),
        &mut parrot,
    );
    assert_eq!(
        (long.ended, parrot.1),
        (Ended::StoppedBy(Limit::Question), 0)
    );
}

#[test]
fn where_nobody_answers_or_what_is_no_answer_the_call_ends() {
    let component = asking(5, "");
    assert!(component.asks_model());
    for mind in [&mut Nobody as &mut dyn Mind, &mut Parrot("two\nlines", 0)] {
        let ended = run(&component, mind).ended;
        assert!(
            matches!(ended, Ended::Trapped(Fault::Unanswered, _)),
            "{ended:?}"
        );
    }
}
