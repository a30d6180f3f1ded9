//! What unprivileged processes write to authd, what comes back, and the records of superd-nss: what is
//! taken apart makes the same record again, within its limit, and nothing is let in by half a record.
#![no_main]

use auth::via;
use libfuzzer_sys::fuzz_target;
use os::names::nss;

fuzz_target!(|text: &[u8]| {
    if let Ok(question) = via::Question::parse(text) {
        assert!(text.len() <= via::QUESTION_LIMIT);
        assert_eq!(question.to_record().expect("it fitted").as_slice(), text);
        let attempt = question.attempt();
        assert_eq!(attempt.method().as_bytes(), question.method);
        assert_eq!(attempt.login, question.login);
    }
    if let Ok(answer) = via::Answer::parse(text) {
        assert_eq!(answer.to_record().expect("it fitted"), text);
        for end in 0..text.len() {
            assert!(via::Answer::parse(&text[..end]).is_err());
        }
        if let via::Answer::Yes {
            user, variables, ..
        } = answer
        {
            assert!(!user.is_empty());
            assert!(variables.iter().all(|(name, _)| *name == "EXT"));
        }
    }
    if let Ok(request) = nss::Request::parse(text) {
        assert_eq!(request.to_record().expect("it fitted"), text);
    }
    if let Ok(answer) = nss::Answer::parse(text) {
        // Numbers may have been written with zeros in front, and texts with broken UTF-8.
        let record = answer.to_record().expect("it fitted");
        assert_eq!(nss::Answer::parse(&record), Ok(answer));
    }
});
