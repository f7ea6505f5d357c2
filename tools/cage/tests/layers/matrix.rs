//! The ways out of a granted folder that tools/src/escapes.rs tries through the agent, tried by a native program in the component's place:
//! ten operations on each path, inside as well, since the cage holds no folder at all.

#[path = "../../../src/escapes/spellings.rs"]
mod spellings;
#[path = "../../../src/escapes/world.rs"]
mod world;

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use cloister_cage::Layer;
use world::{SECRET, World, state};

use super::{CAGE, alone, here, said};

/// What the stand-in reached, and whether anything is changed.
struct Came {
    told: Option<String>,
    is_changed: bool,
}

fn tried(layers: &[Layer]) -> Came {
    let world = World::new();
    let bait = world.work.join("bait");
    fs::write(&bait, SECRET).unwrap();
    let mut list = vec![digits(&bait), digits(&world.work.join("free"))];
    let spelled = spellings::all(&world).into_iter();
    list.extend(spelled.map(|spelling| digits(&world.work.join(spelling))));
    let before = state(&world.root);
    Came {
        told: said(CAGE, layers, "matrix", &list.join(",")).0,
        is_changed: state(&world.root) != before,
    }
}

fn digits(path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes().iter();
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

fn but(left_out: &[Layer]) -> Vec<Layer> {
    let mut layers = here();
    layers.retain(|layer| !left_out.contains(layer));
    layers
}

#[test]
fn no_path_is_reached_though_a_layer_is_off() {
    let reached_nothing = |layers: &[Layer]| {
        let came = tried(layers);
        let told = came.told.unwrap();
        println!("{layers:?}: {told}");
        let (tries, rest) = told.split_once(" tries").unwrap();
        assert!(tries.parse::<u32>().unwrap() >= 2000);
        assert_eq!(rest, "", "{layers:?}");
        assert!(!came.is_changed, "{layers:?}");
    };
    reached_nothing(&but(&[Layer::Seccomp]));
    reached_nothing(&but(&[Layer::Seccomp, Layer::Landlock]));
    if here().contains(&Layer::EmptyRoot) {
        reached_nothing(&but(&[Layer::Seccomp, Layer::Landlock, Layer::Rlimits]));
        reached_nothing(&alone(Layer::EmptyRoot));
    }
    // The filter ends the process at the first try.
    for layers in [here(), but(&[Layer::Landlock]), vec![Layer::Seccomp]] {
        let came = tried(&layers);
        assert_eq!((came.told, came.is_changed), (None, false), "{layers:?}");
    }
}

#[test]
fn landlock_alone_leaves_modes_and_nothing_else() {
    if here().contains(&Layer::Landlock) {
        let told = tried(&[Layer::Landlock]).told.unwrap();
        let (_, rest) = told.split_once(" tries").unwrap();
        let reached: Vec<_> = rest.split_whitespace().collect();
        assert!(
            matches!(reached.as_slice(), [one] if one.starts_with("chmod:")),
            "{told}"
        );
    }
}

#[test]
fn without_any_layer_every_operation_reaches_something() {
    let came = tried(&[]);
    let told = came.told.unwrap();
    println!("no layer: {told}");
    assert_eq!(told.matches(':').count(), 10, "{told}");
    assert!(came.is_changed);
}
