# Install as /etc/cron.d/bulkmailer: cron passes over names there that have a dot.
# A launch that finds a run at work ends at once and prints nothing, so every minute is right.

# The host's spool, /var/spool/bulkmailer:
* * * * * root /usr/local/bin/bulkmailer run

# A user's own spool, in his XDG directories (put his name in place of mara):
#* * * * * mara /usr/local/bin/bulkmailer run
