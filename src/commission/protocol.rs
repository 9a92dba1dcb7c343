//! The report of `gateway commission`: what was tried, seen and timed, for those who sign it.

use super::paper::{Block, Paper};
use serde::Serialize;

/// Everything.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Protocol {
    /// Name of the site.
    pub site: String,
    /// Version of the program.
    pub version: String,
    /// Local time of the site at the beginning and at the end, with its offset from UTC.
    pub began: String,
    /// Local time at the end.
    pub ended: String,
    /// Files that the configuration is made of, each with its SHA-256.
    pub files: Vec<(String, String)>,
    /// SHA-256 over names and hashes of these files.
    pub configuration: String,
    /// Where every cycle is recorded; `None`: nowhere.
    pub journal: Option<String>,
    /// What was tried, in order.
    pub trials: Vec<Tried>,
    /// How many more were planned when it was written.
    pub to_come: usize,
}

/// What became of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All of it was as it should be.
    Passed,
    /// What was tried was right, but something could not be tried: the findings say what.
    NotAllTried,
    /// Something was not: the findings say what.
    Failed,
    /// Nobody consented: nothing was written.
    LeftOut,
}

/// A part of the plant at one device.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tried {
    /// Device and part.
    pub name: String,
    /// Where it is.
    pub place: String,
    /// Its device file.
    pub file: String,
    /// Most that it was moved by, kW.
    pub band_kw: f64,
    /// What the site rates it, kW.
    pub rating_kw: f64,
    /// Who consented, and how.
    pub consent: String,
    /// What became of it.
    pub verdict: Verdict,
    /// Steps in their order.
    pub steps: Vec<Step>,
    /// What happens when the gateway falls silent.
    pub fall_back: FallBack,
    /// What was wrong or odd, and what was done about it.
    pub findings: Vec<String>,
}

/// One order and what came of it. Times count from the command, s.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// What it was for.
    pub name: String,
    /// What was asked for, in words.
    pub asked: String,
    /// Each register.
    pub registers: Vec<Register>,
    /// What the power should come to, kW; `None`: nothing that it should.
    pub expected_kw: Option<f64>,
    /// The measured power at the end, kW.
    pub power_kw: Option<f64>,
    /// When the measured power was there.
    pub followed_s: Option<f64>,
    /// What the filter made of it, or what was wrong.
    pub note: String,
}

/// A register of a step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Register {
    /// Name and place.
    pub point: String,
    /// What was written, in the unit of the output.
    pub written: Option<f64>,
    /// When it was.
    pub written_s: Option<f64>,
    /// What was read back.
    pub read_back: Option<f64>,
    /// When it was as written.
    pub read_back_s: Option<f64>,
}

/// What happens when the gateway falls silent.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "fall_back")]
pub enum FallBack {
    /// The file states no watchdog: nothing makes the device fall back.
    None,
    /// It was not tried, and why.
    NotTried {
        /// Why.
        why: String,
    },
    /// It was timed from the last write.
    Timed {
        /// What the file states, s.
        stated_s: f64,
        /// When a set-point in the device was another, s, and which it was.
        register: Option<(f64, String)>,
        /// Longest until it has to have been seen, s.
        allowed_s: f64,
        /// When it had fallen back, s; `None`: it had not.
        fell_s: Option<f64>,
        /// When the measured power was at rest, s.
        power_s: Option<f64>,
        /// The measured power at the end, kW.
        power_kw: Option<f64>,
        /// How long it was looked at, s.
        looked_s: f64,
    },
}

impl Protocol {
    /// Everything was tried and as it should be.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.to_come == 0 && self.trials.iter().all(|tried| tried.verdict == Verdict::Passed)
    }

    /// The report, ready to be written as HTML or Markdown.
    #[must_use]
    pub fn paper(&self) -> Paper {
        let mut blocks = vec![Block::facts(self.facts())];
        if !self.passed() {
            let left = "Not everything was tried and found right; the tables say what.";
            blocks.push(Block::Text(left.to_owned()));
        }
        if self.to_come > 0 {
            blocks.push(Block::Text(format!("Written on the way: {} more to come. Not to be signed.", self.to_come)));
        }
        blocks.push(Block::Text(HOW.to_owned()));
        blocks.push(Block::Heading("Summary".to_owned()));
        blocks.push(Block::Table {
            head: SUMMARY.map(str::to_owned).to_vec(),
            rows: self.trials.iter().map(Tried::summary).collect(),
        });
        self.trials.iter().for_each(|tried| blocks.extend(tried.blocks()));
        blocks.push(Block::Heading("Fall-backs".to_owned()));
        blocks.push(Block::Table {
            head: FALL_BACKS.map(str::to_owned).to_vec(),
            rows: self.trials.iter().map(Tried::fall_back_row).collect(),
        });
        blocks.push(Block::Heading("Configuration".to_owned()));
        let row = |(file, hash): &(String, String)| vec![file.clone(), hash.clone()];
        let head = vec!["file".to_owned(), "SHA-256".to_owned()];
        blocks.push(Block::Table { head, rows: self.files.iter().map(row).collect() });
        blocks.push(Block::Heading("Signatures".to_owned()));
        blocks.push(Block::Signatures(SIGNERS.map(str::to_owned).to_vec()));
        Paper { title: format!("Commissioning of {}", self.site), blocks }
    }

    fn facts(&self) -> Vec<(String, String)> {
        let journal = self.journal.clone().unwrap_or_else(|| "none: nothing can be replayed".to_owned());
        [
            ("Site", self.site.clone()),
            ("Begun", self.began.clone()),
            ("Ended", self.ended.clone()),
            ("Program", format!("memg-gateway {}", self.version)),
            ("Configuration (SHA-256)", self.configuration.clone()),
            ("Journal", journal),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }
}

/// How to read the tables.
const HOW: &str = "Every value was written by the gateway's own controller in manual mode: commands went through control's door, the \
    safety filter kept the plant's limits with ratings of batteries and of a tried CHP narrowed to the band, and the drivers wrote nothing but the \
    set-points of the part that was tried (and its heartbeat), within the permission. Powers of batteries stayed within the band, those of a CHP within \
    the band above its minimum. A cap of PV or wind is not narrowed: it follows from a limit of the export that is the band below what was exported, \
    and a safe stop sets it to 0. Powers: battery + = charging, others >= 0. Times of steps count from the command; they are no finer than the \
    gateway's cycle and the polls of the device.";
const SUMMARY: [&str; 6] = ["device (part)", "at", "file", "band, kW", "consent", "result"];
const STEPS: [&str; 7] = ["step", "asked", "written", "read back", "expected, kW", "measured", "note"];
const FALL_BACKS: [&str; 5] = ["device (part)", "stated", "set-point in the device", "measured power", "result"];
const SIGNERS: [&str; 2] = ["Plant operator", "Grid operator"];

impl Tried {
    fn summary(&self) -> Vec<String> {
        let result = match self.verdict {
            Verdict::Passed => "passed",
            Verdict::NotAllTried => "NOT ALL TRIED",
            Verdict::Failed => "FAILED",
            Verdict::LeftOut => "left out: nothing was written",
        };
        let band = format!("{} of {}", kw(self.band_kw), kw(self.rating_kw));
        [&self.name, &self.place, &self.file, &band, &self.consent, result].map(|text| text.to_owned()).to_vec()
    }

    fn blocks(&self) -> Vec<Block> {
        let mut blocks = vec![Block::Heading(self.name.clone())];
        if !self.steps.is_empty() {
            let rows = self.steps.iter().map(Step::row).collect();
            blocks.push(Block::Table { head: STEPS.map(str::to_owned).to_vec(), rows });
        }
        if !self.findings.is_empty() {
            blocks.push(Block::List(self.findings.clone()));
        }
        blocks
    }

    fn fall_back_row(&self) -> Vec<String> {
        let empty = String::new;
        let cells = match &self.fall_back {
            FallBack::None => {
                let none = "nothing makes it fall back when the gateway dies: it keeps its last set-point".to_owned();
                ["no watchdog".to_owned(), empty(), empty(), none]
            }
            FallBack::NotTried { why } => [empty(), empty(), empty(), format!("not timed: {why}")],
            FallBack::Timed { stated_s, allowed_s, fell_s, register, power_s, power_kw, looked_s } => {
                let register = register.as_ref().map_or_else(
                    || "as ordered".to_owned(),
                    |(after_s, what)| format!("{what} after {}", seconds(*after_s)),
                );
                let now = power_kw.map_or_else(|| "not measured".to_owned(), |is| format!("{} kW", kw(is)));
                let power =
                    power_s.map_or_else(|| now.clone(), |after_s| format!("{now}, at rest after {}", seconds(after_s)));
                let result = match fell_s {
                    Some(after_s) if after_s > allowed_s => {
                        format!("falls back LATE: after {}, {} allowed", seconds(*after_s), seconds(*allowed_s))
                    }
                    Some(_) => "falls back".to_owned(),
                    None => "DID NOT FALL BACK".to_owned(),
                };
                let result = format!("{result} (looked for {})", seconds(*looked_s));
                [seconds(*stated_s), register, power, result]
            }
        };
        [self.name.clone()].into_iter().chain(cells).collect()
    }
}

impl Step {
    fn row(&self) -> Vec<String> {
        let join = |each: &dyn Fn(&Register) -> String| self.registers.iter().map(each).collect::<Vec<_>>().join("; ");
        let timed = |value: Option<f64>, after_s: Option<f64>| match (value, after_s) {
            (Some(value), Some(after_s)) => format!("{} after {}", kw(value), seconds(after_s)),
            (Some(value), None) => kw(value),
            (None, _) => "-".to_owned(),
        };
        let written = join(&|register| format!("{} {}", register.point, timed(register.written, register.written_s)));
        let read_back = join(&|register| timed(register.read_back, register.read_back_s));
        let measured = match self.power_kw {
            None => "not measured".to_owned(),
            Some(is) => {
                let followed = self.followed_s.map_or_else(String::new, |s| format!(", there after {}", seconds(s)));
                format!("{} kW{followed}", kw(is))
            }
        };
        let expected = self.expected_kw.map_or_else(|| "-".to_owned(), kw);
        vec![self.name.clone(), self.asked.clone(), written, read_back, expected, measured, self.note.clone()]
    }
}

/// A number without a tail of digits.
fn kw(value: f64) -> String {
    let rounded = (value * 1000.0).round() / 1000.0;
    format!("{}", rounded + 0.0)
}

fn seconds(value: f64) -> String {
    format!("{value:.1} s")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(fall_back: FallBack) -> Tried {
        Tried {
            name: "store (battery)".into(),
            place: "tcp 192.0.2.1:502, unit 1".into(),
            file: "b|c.toml".into(),
            band_kw: 5.0,
            rating_kw: 50.0,
            consent: "--yes".into(),
            verdict: Verdict::Failed,
            steps: vec![Step {
                name: "charge".into(),
                asked: "5 kW".into(),
                registers: vec![Register {
                    point: "setpoint holding[3]".into(),
                    written: Some(4.9),
                    written_s: Some(0.52),
                    read_back: None,
                    read_back_s: None,
                }],
                expected_kw: Some(4.9),
                power_kw: Some(0.1),
                followed_s: None,
                note: "<did not follow>".into(),
            }],
            fall_back,
            findings: vec!["a & b".into()],
        }
    }

    fn protocol(fall_back: FallBack) -> Protocol {
        Protocol {
            site: "harbour".into(),
            version: "1.2.3".into(),
            began: "2026-11-27T10:00:00+01:00".into(),
            ended: "2026-11-27T10:05:00+01:00".into(),
            files: vec![("gateway.toml".into(), "aa".into())],
            configuration: "bb".into(),
            journal: None,
            trials: vec![tried(fall_back)],
            to_come: 0,
        }
    }

    #[test]
    fn the_report_names_what_was_written_read_back_and_followed_and_has_lines_to_sign() {
        let paper = protocol(FallBack::None).paper();
        let (html, markdown) = (paper.html(), paper.markdown());
        for word in ["harbour", "1.2.3", "2026-11-27T10:00:00+01:00", "setpoint holding[3] 4.9 after 0.5 s", "FAILED"] {
            assert!(html.contains(word) && markdown.contains(word), "{word}");
        }
        for word in ["Plant operator", "Grid operator", "nothing makes it fall back", "nothing can be replayed"] {
            assert!(html.contains(word) && markdown.contains(word), "{word}");
        }
        assert!(html.contains("&lt;did not follow&gt;") && html.contains("a &amp; b"), "{html}");
        assert!(markdown.contains("b\\|c.toml"), "a pipe stays in its cell: {markdown}");
    }

    #[test]
    fn a_device_that_keeps_its_order_in_the_silence_is_said_not_to_fall_back() {
        let timed = |register, fell_s| FallBack::Timed {
            stated_s: 10.0,
            allowed_s: 13.0,
            fell_s,
            register,
            power_s: fell_s,
            power_kw: Some(4.9),
            looked_s: 25.0,
        };
        let kept = protocol(timed(None, None)).paper().markdown();
        assert!(kept.contains("DID NOT FALL BACK") && kept.contains("10.0 s | as ordered"), "{kept}");
        let fell = protocol(timed(Some((10.4, "setpoint 0".into())), Some(10.6))).paper().markdown();
        assert!(fell.contains("setpoint 0 after 10.4 s") && fell.contains("falls back (looked"), "{fell}");
        let late = protocol(timed(Some((13.4, "setpoint 0".into())), Some(13.4))).paper().markdown();
        assert!(late.contains("falls back LATE: after 13.4 s, 13.0 s allowed"), "{late}");
    }

    #[test]
    fn a_report_passes_once_all_was_tried_and_right() {
        for (verdict, to_come, passed, word) in [
            (Verdict::Passed, 0, true, "passed"),
            (Verdict::Passed, 1, false, "Not to be signed"),
            (Verdict::NotAllTried, 0, false, "NOT ALL TRIED"),
            (Verdict::LeftOut, 0, false, "left out"),
            (Verdict::Failed, 0, false, "FAILED"),
        ] {
            let all = protocol(FallBack::None);
            let trials = all.trials.iter().map(|tried| Tried { verdict, ..tried.clone() }).collect();
            let report = Protocol { trials, to_come, ..all };
            assert_eq!(report.passed(), passed, "{verdict:?}, {to_come} to come");
            assert!(report.paper().markdown().contains(word), "{word}");
        }
    }
}
