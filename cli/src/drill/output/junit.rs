//! For CI systems: each situation as a test.

use std::io;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{headline, remarks, subject};
use crate::drill::record::{Drill, Situation, Verdict};

/// The file's text.
///
/// # Errors
///
/// If a text cannot be told in XML, which the library sees to that it can.
pub(super) fn render(drill: &Drill) -> io::Result<String> {
    let mut suite = TestSuite::new(subject(drill));
    suite.set_time(Duration::from_millis(drill.took_ms));
    suite.add_test_cases(drill.situations.iter().map(case));
    let mut report = Report::new("neap drill");
    report.set_time(Duration::from_millis(drill.took_ms));
    suite.set_system_out(headline(drill));
    report.add_test_suite(suite);
    report.to_string().map_err(io::Error::other)
}

fn case(situation: &Situation) -> TestCase {
    let status = match situation.verdict {
        Verdict::Passed | Verdict::Noted => TestCaseStatus::success(),
        Verdict::NotApplicable | Verdict::Inconclusive => skipped(situation),
        // What is not required may fail, and the build does not: it is shown, not counted.
        _ if !situation.required => skipped(situation),
        Verdict::Failed | Verdict::SurvivorLeft | Verdict::SignalNotReceived => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(&*situation.figure);
            status.set_type(situation.verdict.name());
            status.set_description(remarks(situation).collect::<Vec<_>>().join("\n"));
            status
        }
    };
    let mut case = TestCase::new(situation.id, status);
    case.set_classname("shutdown");
    case.set_time(Duration::from_millis(situation.took_ms));
    let said = format!("{}: {}", situation.title, situation.figure);
    case.set_system_out(said);
    case
}

fn skipped(situation: &Situation) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    let remarks = remarks(situation).collect::<Vec<_>>().join(" ");
    status.set_message(format!("{}: {remarks}", situation.verdict.name()));
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::output::sample;

    #[test]
    fn a_required_failure_is_a_failed_test_and_nothing_else_is() {
        let text = render(&sample::drill()).unwrap();
        let report = Report::deserialize_from_str(&text).unwrap();
        let suite = &report.test_suites[0];
        assert_eq!((suite.tests, suite.failures, suite.errors), (7, 2, 0));
        let is_skipped = |case: &&TestCase| matches!(case.status, TestCaseStatus::Skipped { .. });
        assert_eq!(suite.test_cases.iter().filter(is_skipped).count(), 2);
        let failed = suite.test_cases.iter().filter(|case| {
            let kind = NonSuccessKind::Failure;
            matches!(&case.status, TestCaseStatus::NonSuccess { kind: is, .. } if *is == kind)
        });
        let names: Vec<&str> = failed.map(|case| case.name.as_str()).collect();
        assert_eq!(names, ["backlog", "load"]);
    }

    #[test]
    fn a_failure_tells_what_was_lost_and_what_helps() {
        let text = render(&sample::drill()).unwrap();
        assert!(text.contains("60 of 200 lost"), "{text}");
        assert!(text.contains("accept until EAGAIN"), "{text}");
    }

    #[test]
    fn what_comes_from_outside_stays_text() {
        let text = render(&sample::drill()).unwrap();
        assert!(!text.contains("<script>"), "{text}");
        assert!(text.contains("&lt;script&gt;"), "{text}");
    }
}
