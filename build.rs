//! `dw_loom` = built for the models: `--cfg loom` and our own feature together, or the same with `shuttle`, which sets
//! `dw_shuttle` as well. A cfg from here reaches rustdoc too, which never sees RUSTFLAGS.
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(dw_loom, dw_shuttle)");
    let set = |name| std::env::var_os(name).is_some();
    if set("CARGO_CFG_LOOM") && set("CARGO_FEATURE___LOOM") {
        println!("cargo::rustc-cfg=dw_loom");
    } else if set("CARGO_CFG_SHUTTLE") && set("CARGO_FEATURE___SHUTTLE") {
        println!("cargo::rustc-cfg=dw_loom");
        println!("cargo::rustc-cfg=dw_shuttle");
    }
}
