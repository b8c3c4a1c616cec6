use millstream::io::file::TextFiles;
use millstream::job::Executor;
use millstream::prelude::*;
fn main() {
    let n: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    let paths: Vec<String> = std::env::args().skip(2).collect();
    let ex = Executor::local(n);
    for _ in 0..4 {
        let t = std::time::Instant::now();
        let files = TextFiles::open(&ex, &paths).unwrap();
        let bytes = files.bytes();
        let c = files
            .flat_map(|line| line.split_ascii_whitespace())
            .map(|w| (w, 1u64))
            .reduce_by_key(|a, b| a + b)
            .collect()
            .unwrap();
        let e = t.elapsed();
        println!(
            "{} words {} distinct {:.0} MB/s",
            c.iter().map(|x| x.1).sum::<u64>(),
            c.len(),
            bytes as f64 / 1e6 / e.as_secs_f64()
        );
    }
}
