//! What a survey lists, and the ways out of a granted folder that it must not take.

use std::os::unix::fs::symlink;

use super::*;
use crate::testing::{folder, grants, put};

const ALL: &[(&str, &str)] = &[
    ("file:read", "**/*"),
    ("file:write", "out"),
    ("file:move", "**/*"),
];

fn names(survey: &Survey) -> Vec<&str> {
    survey.files().iter().map(GrantedFile::name).collect()
}

#[test]
fn plain_files_below_the_grants_are_listed_by_relative_name() {
    let (_temp, dir) = folder();
    for name in ["a.txt", "sub/b.txt", ".hidden/c.txt", "out/d.txt"] {
        put(&dir.join(name), name);
    }
    let survey = Survey::take(&grants(&dir, ALL), &dir, &[]).unwrap();
    assert_eq!(names(&survey), ["a.txt", "out/d.txt", "sub/b.txt"]);
    let file = survey.file("out/d.txt").unwrap();
    assert!(file.readable() && file.writable() && file.movable());
    assert_eq!(file.size(), 9);
}

#[test]
fn a_file_with_two_granted_names_is_read_and_not_changed() {
    let (_temp, dir) = folder();
    put(&dir.join("a.txt"), "a");
    std::fs::create_dir(dir.join("out")).unwrap();
    std::fs::hard_link(dir.join("a.txt"), dir.join("out/twin.txt")).unwrap();
    let survey = Survey::take(&grants(&dir, ALL), &dir, &[]).unwrap();
    assert_eq!(names(&survey), ["a.txt", "out/twin.txt"]);
    let twin = survey.file("out/twin.txt").unwrap();
    assert!(twin.readable() && !twin.writable() && !twin.movable());
    assert!(survey.open(&dir.join("a.txt")).is_ok());
}

#[test]
fn a_file_swapped_for_a_second_name_of_another_is_not_opened() {
    let (_temp, dir) = folder();
    let (_other, outside) = folder();
    let secret = put(&outside.join("secret.txt"), "secret");
    let listed = put(&dir.join("a.txt"), "a");
    let survey = Survey::take(&grants(&dir, ALL), &dir, &[]).unwrap();
    std::fs::remove_file(&listed).unwrap();
    std::fs::hard_link(&secret, &listed).unwrap();
    assert!(survey.open(&listed).is_err());
    // Without the look at its names it opens.
    assert!(survey.ground(&listed).unwrap().read(&listed).is_ok());
}

#[test]
fn links_pipes_and_second_names_are_left_out() {
    let (_temp, dir) = folder();
    let (_other, outside) = folder();
    let secret = put(&outside.join("secret.txt"), "secret");
    put(&dir.join("a.txt"), "a");
    symlink(&secret, dir.join("link.txt")).unwrap();
    symlink(&outside, dir.join("linked")).unwrap();
    std::fs::create_dir(dir.join("out")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        dir.join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    std::fs::hard_link(&secret, dir.join("out/twin.txt")).unwrap();
    let survey = Survey::take(&grants(&dir, ALL), &dir, &[]).unwrap();
    assert_eq!(names(&survey), ["a.txt"]);
    let mut skipped: Vec<_> = survey
        .skipped()
        .iter()
        .filter_map(|s| s.path.rsplit('/').next())
        .collect();
    skipped.sort_unstable();
    assert_eq!(skipped, ["link.txt", "linked", "pipe", "twin.txt"]);
    for name in [
        "link.txt",
        "linked/secret.txt",
        "../secret.txt",
        "pipe",
        "out/twin.txt",
    ] {
        assert!(survey.resolve(Handle::Output, name).is_err(), "{name}");
    }
    // What the layer below does when the survey is asked about the link all the same, and what `std` would have done.
    assert!(
        survey
            .ground(&dir.join("link.txt"))
            .unwrap()
            .read(&dir.join("link.txt"))
            .is_err()
    );
    assert!(
        survey
            .ground(&dir.join("linked/secret.txt"))
            .unwrap()
            .read(&dir.join("linked/secret.txt"))
            .is_err()
    );
    assert_eq!(std::fs::read(dir.join("link.txt")).unwrap(), b"secret");
    assert_eq!(
        std::fs::read(dir.join("linked/secret.txt")).unwrap(),
        b"secret"
    );
}

#[test]
fn a_file_swapped_for_a_link_after_the_survey_is_not_followed() {
    let (_temp, dir) = folder();
    let (_other, outside) = folder();
    let secret = put(&outside.join("secret.txt"), "secret");
    let path = put(&dir.join("sub/a.txt"), "a");
    let survey = Survey::take(&grants(&dir, ALL), &dir, &[]).unwrap();
    std::fs::remove_file(&path).unwrap();
    symlink(&secret, &path).unwrap();
    assert!(matches!(
        survey.ground(&path).unwrap().read(&path),
        Err(ToolError::NotPlain { .. })
    ));
    std::fs::remove_dir_all(dir.join("sub")).unwrap();
    symlink(&outside, dir.join("sub")).unwrap();
    let through = dir.join("sub/secret.txt");
    assert!(matches!(
        survey.ground(&through).unwrap().read(&through),
        Err(ToolError::NotPlain { .. })
    ));
    assert_eq!(
        std::fs::read(&through).unwrap(),
        b"secret",
        "without the ground it would have been read"
    );
}

#[test]
fn names_that_deceive_are_left_out_with_a_reason() {
    let (_temp, dir) = folder();
    put(&dir.join("fine – ü.txt"), "a");
    put(&dir.join("esc\u{1b}[2J.txt"), "a");
    put(&dir.join("rev\u{202e}txt.exe"), "a");
    let survey = Survey::take(&grants(&dir, ALL), &dir, &[]).unwrap();
    assert_eq!(names(&survey), ["fine – ü.txt"]);
    assert_eq!(survey.skipped().len(), 2, "{:?}", survey.skipped());
    assert!(
        survey
            .skipped()
            .iter()
            .all(|s| !s.path.chars().any(crate::names::deceptive))
    );
}

#[test]
fn cloisters_own_home_is_never_granted() {
    let (_temp, dir) = folder();
    put(&dir.join("home/keys/admin"), "key");
    put(&dir.join("a.txt"), "a");
    let home = dir.join("home");
    let survey = Survey::take(&grants(&dir, ALL), &dir, std::slice::from_ref(&home)).unwrap();
    assert_eq!(names(&survey), ["a.txt"]);
    let inside = Survey::take(
        &grants(&home.join("keys"), ALL),
        &home.join("keys"),
        std::slice::from_ref(&home),
    );
    assert!(matches!(inside, Err(ToolError::Forbidden { .. })));
    let without = Survey::take(&grants(&dir, ALL), &dir, &[]).unwrap();
    assert!(
        names(&without).contains(&"home/keys/admin"),
        "only the list keeps it out"
    );
}

/// A link as the forbidden path stands for a second mount: the granted paths do not begin with it, only the inodes are the same.
#[test]
fn the_home_and_what_is_in_it_is_not_granted_by_another_name() {
    let (_temp, dir) = folder();
    put(&dir.join("home/ledger/tiles/0"), "tile");
    put(&dir.join("home/keys/roots.json"), "roots");
    put(&dir.join("a.txt"), "a");
    let (_other, outside) = folder();
    let home = outside.join("home");
    symlink(dir.join("home"), &home).unwrap();
    for (inside, capability) in [
        ("home", "file:read"),
        ("home/keys", "file:read"),
        ("home/ledger/tiles", "file:move"),
        ("home/keys/new", "file:write"),
    ] {
        let granted = grants(&dir, &[(capability, inside)]);
        let taken = Survey::take(&granted, &dir, std::slice::from_ref(&home));
        assert!(
            matches!(taken, Err(ToolError::Forbidden { .. })),
            "{inside}: {taken:?}"
        );
        assert!(Survey::take(&granted, &dir, &[]).is_ok(), "{inside}");
    }
    let all = grants(&dir, &[("file:write", "**/*")]);
    let survey = Survey::take(&all, &dir, std::slice::from_ref(&home)).unwrap();
    assert_eq!(names(&survey), ["a.txt"]);
    assert!(survey.resolve(Handle::Output, "b.txt").is_ok());
    for name in ["home/b.txt", "home/keys/b.txt", "home/keys/new/b.txt"] {
        assert!(survey.resolve(Handle::Output, name).is_err(), "{name}");
    }
}

#[test]
fn outputs_and_places_need_a_grant_but_not_a_file() {
    let (_temp, dir) = folder();
    put(&dir.join("a.txt"), "a");
    std::fs::create_dir_all(dir.join("out/sub")).unwrap();
    let survey = Survey::take(&grants(&dir, ALL), &dir, &[]).unwrap();
    assert_eq!(
        survey.resolve(Handle::Output, "out/new/q4.xlsx").unwrap(),
        dir.join("out/new/q4.xlsx")
    );
    assert_eq!(
        survey.resolve(Handle::Output, "./out//q4.xlsx").unwrap(),
        dir.join("out/q4.xlsx")
    );
    for name in [
        "q4.xlsx",
        "out/../q4.xlsx",
        "/etc/passwd",
        "out/sub",
        "out/",
        "out/x\u{202e}y",
        "out/.ssh",
        "",
    ] {
        assert!(survey.resolve(Handle::Output, name).is_err(), "{name:?}");
    }
    for name in ["b.txt", "./a.txt", "../a.txt", "/etc/passwd"] {
        assert!(survey.resolve(Handle::Input, name).is_err(), "{name:?}");
    }
}

#[test]
fn a_granted_folder_that_is_a_link_is_refused() {
    let (_temp, dir) = folder();
    let (_other, outside) = folder();
    symlink(&outside, dir.join("out")).unwrap();
    let taken = Survey::take(&grants(&dir, &[("file:write", "out")]), &dir, &[]);
    assert!(
        matches!(taken, Err(ToolError::NotPlain { .. })),
        "{taken:?}"
    );
}
