//! `bulkmailer bounces list`: what was reported, the newest first.

use super::reports::{ReportChoice, print_reports};
use crate::admin::printing::table::Form;
use crate::config::Site;
use crate::model::Exit;

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    choice: ReportChoice,
    /// The most that are listed
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u64,
    /// Print a JSON object a line
    #[arg(long)]
    json: bool,
}

pub fn run(site: &Site, args: &Args) -> anyhow::Result<Exit> {
    let form = if args.json { Form::Json } else { Form::Lines };
    print_reports(site, &args.choice, Some(args.limit), form)
}
