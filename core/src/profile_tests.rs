use super::*;

fn csv(rows: usize) -> String {
    let mut text = COLUMNS.join(",");
    let start = LocalTime::parse("2016-01-01T00:00:00+01:00").unwrap_or_default();
    for i in 0..rows {
        let time = start.plus_minutes(15 * i64::try_from(i).unwrap_or(0));
        text.push_str(&format!("\n{time},1.5,2,30,40,0.1,0.05,1.01,50"));
    }
    text
}

#[test]
fn whole_days_are_read_and_gaps_between_days_start_a_block() {
    let mut text = csv(96);
    text.push_str(
        &csv(96).split_once('\n').map_or("", |x| x.1).replace("2016-01-01", "\n2016-01-03").replace("\n\n", "\n"),
    );
    let profile = Profile::parse_csv(&text, 0.25);
    assert_eq!(profile.map(|p| p.blocks(None)), Ok(vec![0..96, 96..192]));
    let three = Profile::parse_csv(&csv(3 * 96), 0.25).map(|p| p.blocks(Some(2)));
    assert_eq!(three, Ok(vec![0..192, 192..288]));
    let not_the_third = |p: Profile| p.blocks_among(Some(2), |row| row.time.date().2 != 3);
    let five = Profile::parse_csv(&csv(5 * 96), 0.25).map(not_the_third);
    assert_eq!(five, Ok(vec![0..192, 288..480]));
}

#[test]
fn bad_rows_are_named_by_line_and_column() {
    let good = csv(96);
    let cases = [
        (good.replace("T03:00:00+01:00,1.5", "T03:00:00+01:00,NaN"), 14, "pv_kw"),
        (good.replace("T03:00:00+01:00,1.5", "T03:00:00+01:00,lots"), 14, "pv_kw"),
        (good.replace("2016-01-01T03:00:00+01:00", "2016-01-01T03:15:00+01:00"), 14, "time"),
        (good.replace("\n2016-01-01T03:00:00+01:00,1.5,2,30,40,0.1,0.05,1.01,50", ""), 14, "time"),
        (good.replace("heat_load_kw", "heat"), 1, "heat_load_kw"),
        (csv(95), 96, "time"),
        (good.replace("T03:00:00+01:00,1.5", "T03:00:00+01:00,-0.1"), 14, "pv_kw"),
        (good.replace(",0.1,0.05", ",200,0.05"), 2, "import_price_eur_per_kwh"),
    ];
    for (text, line, column) in cases {
        let found = Profile::parse_csv(&text, 0.25).map_err(|e| (e.line, e.column));
        assert_eq!(found.map(|_| ()), Err((line, column.to_owned())));
    }
}

fn refusal(text: &str) -> String {
    Profile::parse_for(text, &Plant::reference()).expect_err("it should be refused").to_string()
}

#[test]
fn powers_in_watts_are_refused_and_powers_above_the_rating_are_told() {
    let plant = Plant::reference();
    let good = csv(96);
    let said = refusal(&good.replace(",1.5,2,30,40,", ",1.5,2,30000,40,"));
    assert_eq!(said, "line 2, electric_load_kw: expected a number from 0 to 1000, found \"30000\"");
    let above = Profile::parse_for(&good.replacen(",1.5,2,30,40,", ",1.5,2,130,40,", 3), &plant).unwrap();
    let told: Vec<String> = above.exceeding(&plant).iter().map(ToString::to_string).collect();
    let expected = "electric_load_kw: 3 rows are above the plant's largest of 100 kW, up to 130 kW";
    assert_eq!(told, [expected]);
    assert!(Profile::parse_for(&good, &plant).unwrap().exceeding(&plant).is_empty());
}

#[test]
fn days_of_23_and_25_hours_and_naive_times_are_told_how_to_convert() {
    let good = csv(96);
    let spring: String = good
        .lines()
        .enumerate()
        .filter(|(line, _)| !(9..13).contains(line))
        .map(
            |(line, row)| {
                if line < 13 { format!("{row}\n") } else { format!("{}\n", row.replace("+01:00", "+02:00")) }
            },
        )
        .collect();
    let said = refusal(&spring);
    assert!(said.starts_with("line 10, time: the clock changes here from +01:00 to +02:00"), "{said}");
    let autumn: Vec<String> = good
        .lines()
        .enumerate()
        .map(|(line, row)| if line < 13 { row.replace("+01:00", "+02:00") } else { row.to_owned() })
        .collect();
    let mut twice = autumn.get(..13).unwrap_or_default().to_vec();
    twice.extend(good.lines().skip(9).map(str::to_owned));
    let said = refusal(&twice.join("\n"));
    assert!(said.starts_with("line 14, time: the clock changes here from +02:00 to +01:00"), "{said}");
    let naive = refusal(&good.replace("+01:00", ""));
    assert!(naive.starts_with("line 2, time: expected a time like") && naive.contains("tz_localize"), "{naive}");
    assert!(Profile::parse_for(&good.replace("+01:00", "Z"), &Plant::reference()).is_ok(), "UTC is an offset");
}
