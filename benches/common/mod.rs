//! What the benches share: short runs, and a table of medians when all is measured.

use std::{env, fs, path::PathBuf, time::Duration};

use criterion::Criterion;

/// A criterion with short runs, for medians that are steady enough to compare.
pub(crate) fn criterion() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1000))
        .sample_size(50)
        .output_directory(&results())
        .configure_from_args()
}

fn results() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map_or("target".into(), PathBuf::from);
    target.join("criterion")
}

/// The median of one measurement in nanoseconds, if it was taken.
pub(crate) fn median(group: &str, row: &str, column: &str) -> Option<f64> {
    let file = results().join(group).join(row).join(column).join("new/estimates.json");
    let estimates: serde_json::Value = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    estimates["median"]["point_estimate"].as_f64()
}

/// Prints the medians of a group, each with its ratio to the same column of the row `floor`.
pub(crate) fn table(group: &str, floor: &str, rows: &[&str], columns: &[&str]) {
    println!("\n{group}: median ns (ratio to {floor})\n");
    println!("| | {} |", columns.join(" | "));
    println!("|---|{}", "---:|".repeat(columns.len()));
    for row in rows {
        let cells = columns.iter().map(|column| {
            match (median(group, row, column), median(group, floor, column)) {
                (Some(ns), Some(floor)) => format!("{ns:.1} ({:.2})", ns / floor),
                (Some(ns), None) => format!("{ns:.1}"),
                (None, _) => "–".into(),
            }
        });
        println!("| {row} | {} |", cells.collect::<Vec<_>>().join(" | "));
    }
}
