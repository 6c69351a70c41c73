//! `bulkmailer suppress list`: who is suppressed, since when and why.

use super::row::print_list;
use crate::admin::printing::table::Form;
use crate::config::Site;
use crate::model::Exit;

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Print a JSON object a line
    #[arg(long)]
    json: bool,
}

pub fn run(site: &Site, args: &Args) -> anyhow::Result<Exit> {
    print_list(site, if args.json { Form::Json } else { Form::Lines })
}
