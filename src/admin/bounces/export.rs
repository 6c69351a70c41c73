//! `bulkmailer bounces export`: all reports, for other programs.

use super::reports::{ReportChoice, print_reports};
use crate::admin::printing::table::Form;
use crate::config::Site;
use crate::model::Exit;

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    choice: ReportChoice,
    /// A JSON object a line instead
    #[arg(long)]
    json: bool,
}

pub fn run(site: &Site, args: &Args) -> anyhow::Result<Exit> {
    let form = if args.json { Form::Json } else { Form::Csv };
    print_reports(site, &args.choice, None, form)
}
