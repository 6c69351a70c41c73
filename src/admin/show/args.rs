//! What `show` is asked for.

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The entry's id, as 'bulkmailer list' prints it, or the name of a file in corrupt/ or drop/
    #[arg(value_name = "ID")]
    pub id: String,
    /// Print the message, byte for byte, and nothing else
    #[arg(long, short = 'm')]
    pub message: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}
