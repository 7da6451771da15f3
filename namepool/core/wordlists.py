"""The words by which ``core.phrases`` recognises the texts that are no names. This is only data.

The words are in small letters, without accents and apostrophes. Where a list has commas, they
separate phrases.
"""

from __future__ import annotations

# -- orders to hurt -------------------------------------------------------------------------------

HURTING = """
abuse assassinate assault attack bash beat behead bite bomb break burn bury butcher choke crash
crush cut destroy drown electrocute execute exterminate gas gouge hang harass harm hit hunt hurt
injure kick kidnap kill knife lynch maim murder mutilate poison punch push rip ruin sacrifice scald
shoot skin slap slaughter slit smash smother snap spank stab starve stomp stone strangle suffocate
tear threaten throw torment torture trample whip wound wreck
"""

SOMEBODY = """
anybody anyone children everybody everyone her herself him himself his humanity humans kids mankind
myself ourselves people somebody someone their them themselves us women your yourself yourselves
"""

RISKING = """
chug drink eat inhale inject sip sniff snort swallow take
"""

DEADLY = """
acid ammonia antifreeze arsenic batteries bleach cyanide detergent gasoline glass lye mercury petrol
pills poison razor razors
"""

ORDERS = """
bleed out, blow up, bomb the, burn in hell, die alone, die already, die now, die slowly, drink
drain, drive off, drop dead, end his life, end it all, end their life, end your life, go and die, go
die, go drown, go jump, go to hell, hold your breath, jump from, jump in front, jump off, jump out,
jump under, just die, kill all, kill every, kill the, leap from, leap off, lie down on, murder a,
murder the, overdose now, overdose tonight, play in traffic, please die, poison the, rot in hell,
run into traffic, set fire, set her, set him, set them, set yourself, stab a, stab the, step in
front, step into traffic, stop breathing, stop living, take his life, take their life, take your
life, take your own, walk into traffic
"""
"""These orders hurt without any other word of the lists."""

# -- commands -------------------------------------------------------------------------------------

COMMANDS = """
alter ansible ansible-playbook apt apt-get awk aws az bash bazel brew bundle cabal cargo cd chgrp
chmod chown clang clear cmake composer conda cp create cron crontab curl dd del delete deno describe
df diff dir dmesg dnf docker docker-compose dotnet drop du emacs env eslint eval exec exit export
fdisk ffmpeg find flask flutter format gcc gcloud gdb gh git gradle grep groupadd gunzip gzip halt
head helm heroku hg history htop ifconfig insert install iptables java javac journalctl jupyter kill
killall kubectl less ln locate logout ls lsof make mkdir mkfs modprobe mount mv mvn mypy mysql nc
netcat netstat nginx nmap nohup npm npx ollama open openssl pacman passwd perl php ping pip3 pipx
pkill pnpm podman poetry poweroff powershell ps psql pwd pytest python python3 rake reboot
revoke rm rmdir rsync ruff rustc rustup scp screen sed select service sh show shutdown sleep sort
source sqlite3 ssh ssh-add ssh-keygen strace sudo svn swift sync systemctl tail tar tcpdump telnet
terraform tmux top touch tox tr traceroute truncate umount uname uniq unzip update uptime useradd
userdel usermod uv uvicorn vagrant vim watch wc wget whoami xargs yarn yum zip zsh
"""

NAMESAKES = """
ant ash cat dig dot echo ed free gem go grant ip jo julia man mix nano node pip rails ruby su use vi
"""
"""Commands that are words of names, too."""

ARGUMENTS = """
addr admin all build clean config delete download etc file files freeze generate get hello home
index init install list localhost main mod new passwd remove root run script server setup show start
status stop test tmp uninstall update upgrade world
"""
"""Words that follow a command."""

# -- texts of one kind ----------------------------------------------------------------------------

NUMBERS = """
one two three four five six seven eight nine ten eleven twelve twenty fifty hundred first second
third fourth fifth
"""

JOINING = """
a an and any at be by for from in is it me my new no not of on only or other some to with your
"""

PLACEHOLDERS = (
    """
    asdf boolean changeme firstname fixme foo forename fullname integer lastname lorem nickname
    placeholder placeholders string surname tba tbd unspecified username value
    """,
    """
    agent agents alias amet announced applicable assistant available baz bot change character
    characters decided determined dolor dummy empty enter example foobar given here insert ipsum
    item last name named names object person persona player provided qux replace sample set
    specified test testing text user
    """,
    """
    abc another applicable b bar blank c choose class code company correct default display entry
    family fictional field file fill full generic go goes guest key label me middle missing
    nobody nom none null number out pending pick project random real response sit somebody
    someone str sub team temp template temporary this title token type unknown unnamed untitled
    value variable xyz
    """,
)

ERRORS = (
    """
    aborted conflict deadlock exception exceptions forbidden oops overflow terminated timeout
    unauthorized underflow
    """,
    """
    abort again bad blocked broken busy canceled cancelled cannot closed corrupt corrupted
    corruption could crash crashed dead denied disabled disconnected division down dropped
    dumped duplicate empty error errors exceeded exhausted exists expired fail failed failure
    fatal fault faults filter full gone halted illegal incorrect insufficient interrupted
    invalid iteration killed leak limit limited locked lost malformed mismatch missing no not
    null out overloaded overrun panic refused rejected required reset stale stopped suspended
    throttled timed too truncated unable unavailable undefined unexpected unhandled unknown
    unreachable unrecognized unresolved unsatisfiable unsupported violation went wrong
    """,
    """
    acceptable access account address after allocate allowed already api are argument arithmetic
    array assertion assign async attached attempts attribute auth authentication authorization
    authorized backend billing block blocking body bound bounds buffer build bus but cache call
    capacity captcha caused certificate changed channel checksum child class client code command
    communication compilation compile condition configuration conflict connect connection
    content context core credentials data database decode dependency depth descriptor detected
    device directory disk dns document domain download driver early email encode encoding end
    endpoint entity entry env environment eof exchange exec execution expectation extended
    external family fetch field fields file files filtered floating font format found function
    gateway group handle handshake hardware has hash header heap held host http https id
    identifier implemented import indentation index input installed instruction internal
    internet into io job json kernel key large later left length level levels library license
    link linker load loading local lock locks login long lookup low machine many maximum media
    medium memory merge message method model module name named network null numerical object
    offline open opened operation os output over overload owner package packet page parameter
    parse parser parsing password path payload payment peer permission permitted pipe plugin
    point pointer policy port power precondition process processes processing program progress
    protocol proxy query quota range rate reached read ready recoverable recursion reference
    remote removed report request requested requests resolution resolve resource resources
    response result retry route runtime safety satisfiable schema screen script seek
    segmentation send serialization server service session signal size slot socket something
    space ssl stack state status stop storage stream streams structure subscription such support
    supported symbol symbolic synchronized syntax system tab table task temporarily test tests
    text that the there this thread time timer tls token tokens trace transaction translate
    transport try type unbound uncaught unicode unique unprocessable up upgrade upload upstream
    uri url use user users validation value variable version was were write zero
    """,
)

HEADINGS = (
    """
    abbreviations abstract acknowledgements acknowledgments alternatives analysis answer answers
    appendix approach background bibliography bonus candidates categories changelog comments
    conclusion conclusions constraints contents credits description descriptions details
    disclaimer discussion entries epilogue evaluation examples explanation explanations faq
    favorites favourites figures footnotes foreword glossary goals guidelines ideas index
    instructions introduction items links lists meanings mentions methodology names nicknames
    notes objectives options origins output outputs overview paragraphs personas picks points
    preamble preface prologue puns questions reasoning recommendations references remarks
    requirements response results roles rules shortlist solution solutions sources steps
    suggestions summary tables takeaways tasks themes thoughts tips traits
    """,
    """
    about category chapter copyright draft figure findings format group guide input list methods
    name note notice page paragraph part question reading result scheme section selection step
    table task terms theme thought usage work works
    """,
    """
    above accepted additional agent agents allowed also alternate alternative approved asked
    author available avoid backup banned below best bonus brainstormed chain character chosen
    cited classic clever closing combined common complete concluding content creative curated
    current data descriptive detailed discarded editor editors end example excluded executive
    expected external extra favorite favourite female fictional final following forbidden
    frequently fresh full fun funny further future general generated given good great helpful
    honorable honourable human humorous imaginary included initial invalid invented json key
    known last leftover long main male meaning memorable modern more most naming neutral next
    old older opening original other our own past playful popular possible potential previous
    proposed pun punny quick quirky random rare real recommended rejected related remaining
    requested reserved revised sample selected serious short silly similar spare style suggested
    supplementary the thematic themed these top total traditional type unique unisex unused
    unusual updated us used useful valid version whimsical word wording wry
    """,
)

# -- phrases of an answer -------------------------------------------------------------------------

REPLIES = """
absolutely alright anytime bonjour certainly certamente cest cheers ciao congratulations daccord
daccordo danke definitely desculpe desole disculpa enjoy entschuldigung exactly figurati gern gerne
gracias grazie hello heres hola indeed infelizmente jespere klar lamento naturalmente naturlich
nhesitez obrigada obrigado perdon perfect perfeito perfetto please prego purtroppo
selbstverstandlich sure thanks thats understood unfortunately voici voila volentieri yes youre
"""

BEGINNINGS = """
aber absolutely algo all alles alright always any anything aqui as at auf avec below bitte boa
bonjour bonne buena buenas buenos buona can certainly certamente cest claro consider could daccord
daccordo danke das definitely desculpe disculpa does ecco encantado entendu entschuldigung espero
estes estos estou estoy every everything excellent excellente feel following for freut frohes gern
gerne good got gracias grazie great gute guten have hello here heres hier hoffentlich hola hopefully
how ich if in infelizmente jespere just kein keine klar lamento leider let lista many merci more
muchas muito muy naturalmente naturlich need nessun nhesitez nice no noch not nothing obrigada
obrigado of okay one only other otima ottima our pas please purtroppo quelques questi resto right
schon segue seguem sehr selbstverstandlich should sinto some something sonst sorry sounds spero stay
sure tell thank thanks that thats their there these they this those to tres try unfortunately very
viel viele vielen voici voila volentieri vous want we weitere well what when where which who why wie
wir with would yes you your youre
"""
"""A phrase goes on in small letters behind such a word: "No problem". None of these words is a
common given name.
"""

PARTICLES = """
al am av ben bin bint da dal dalla de degli dei del della den der des di do dos du e el en i ibn la
las le li lo los of og op san ten ter the tot und van vel vom von y zu zum zur
"""
"""Words in small letters that go on a name."""

OF_SENTENCES = """
are cannot could had is it its me my should that these they this those was we were would you your
yours
"""
"""Words that no name has in small letters behind its first word."""

PHRASES = """
a bientot, a continuacion, a la orden, a presto, a sus ordenes, a tus ordenes, a votre service, aber
gerne, aber klar, algo mas, all done, all right, all set, all the best, alles gute, alles klar,
allow me, alright then, also known, any other, any questions, any time, anything else, anything
more, aqui esta, aqui estan, aqui estao, aqui hay, aqui las, aqui los, aqui te, aqui tem, aqui
tiene, aqui tienes, aqui van, aqui vao, as always, as an ai, as follows, as promised, as requested,
as suas ordens, as you wish, at your service, ate logo, auf jeden fall, auf wiedersehen, avec grand
plaisir, avec joie, avec plaisir, be my guest, best regards, best wishes, bien a vous, bien entendu,
bien sur, bitte schon, bitte sehr, boa pergunta, boa sorte, bom dia, bon courage, bonjour a, bonne
chance, bonne idee, bonne journee, bonne question, buena pregunta, buena suerte, buenas noches,
buenas tardes, buenos dias, buon divertimento, buon lavoro, buona domanda, buona fortuna, buona
giornata, by all means, call me, can i help, ce sont, certo che, claro aqui, claro que, com certeza,
com prazer, come on in, come richiesto, coming right, coming soon, comme demande, como desees, como
solicitado, con gusto, con mucho gusto, con piacere, con placer, consider it, conte comigo, could
you, danke fur, danke schon, das ist, das sind, de acordo, de acuerdo, de nada, de rien, desde
luego, di niente, di nulla, die namen, do let, e um prazer, ecco a, ecco alcuni, ecco dieci, ecco
gli, ecco i, ecco la, ecco le, ecco lelenco, ecco qua, ecco qui, en resume, encantada de, encantado
de, enjoy the, enjoy them, enjoy these, enjoy your, es freut, es ist, es tut, espero que, espero
ter, estos son, estou aqui, estoy aqui, eu posso, excellent choice, excellent question, excellente
question, fair enough, fammi sapere, feel free, fico a, fico feliz, fill in, fill me, for example,
for instance, for sure, freut mich, frohes schaffen, gern geschehen, gerne doch, gerne geschehen,
glad i, glad to, glad you, good afternoon, good choice, good day, good evening, good idea, good
luck, good morning, good night, good question, good to know, got it, gracias a, gracias por, grazie
a, grazie mille, grazie per, great choice, great idea, great job, great question, great to, great
work, gute frage, gute idee, guten abend, guten morgen, guten tag, happy i, happy to, hasta luego,
hasta pronto, have a good, have a great, have a nice, have fun, hello again, hello everyone, hello
there, hello world, here are, here goes, here is, here it, here they, here we, here you, herzlich
willkommen, herzlichen dank, hi there, hier bitte, hier die namen, hier ist, hier noch, hier sind,
hoffe das, hope that, hope these, hope they, hope this, how about, how are, how can, how may, i
agree, i am, i apologise, i apologize, i can, i cannot, i could, i do, i dont, i have, i hope, i
see, i think, i understand, i will, i would, ich bin, ich habe, ich hoffe, ich kann, ich wunsche, if
you, il ny, il y, im afraid, im glad, im happy, im sorry, in conclusion, in ordnung, in other words,
in summary, interesting question, is there, is this, it depends, it is, its my, je ne, je peux, je
regrette, je suis, je vous, just a, just a moment, just ask, just kidding, just let, keep in mind,
kein problem, kein thema, keine ahnung, keine frage, keine sorge, keine ursache, kind regards, klar
doch, lass mich, lassen sie, leider nicht, les noms, let me, let them, let us, lista de, liste der,
lo lamento, lo siento, long story short, looking forward, looks good, many thanks, may i help, me
alegra, me alegro, merci a, merci beaucoup, merci bien, merci de, merci pour, mi dispiace, mi scusi,
mi scuso, mil gracias, mit vergnugen, more to come, much obliged, muchas gracias, mucho gusto, muito
bem, muito obrigada, muito obrigado, muy bien, my apologies, my bad, my name is, my pleasure, na
klar, nao ha, nao posso, nao se preocupe, nessun problema, never mind, nice one, nice question, nice
to meet, no hay de, no hay problema, no need, no problem, no problems, no puedo, no te preocupes, no
thanks, no worries, noch fragen, non ce, non posso, not a problem, not at all, not sure, not yet,
nothing else, obrigada por, obrigado por, of course, oh dear, oh well, okay here, okay sure, okay
then, on it, one moment, one more, otima pergunta, ottima domanda, pas de probleme, pas de souci,
pas de soucis, per esempio, per favore, pleased to, pleasure to, por ejemplo, por favor, por nada,
por supuesto, quelques noms, questi sono, ready to, ready when, resto a, right away, right here,
right on, same here, say no more, see above, see also, see below, see you, segue a, seguem os, sehr
gern, sehr gerne, sem duvida, sem problema, senza dubbio, shall i go, shall we, sil te, sil vous,
sin duda, sin problema, sinto muito, so sorry, sono felice, sono lieto, sono qui, sonst noch, sounds
good, sounds great, spero che, stay tuned, sure here, sure let, sure thing, sure why, take care,
take your pick, tell me, thank you, thanks a lot, thanks for, thanks so, that is, that was, that
works, there are, there is, there we, there you, these are, these names, this is, those are, to be
honest, to conclude, to summarise, to summarize, tout a fait, tout de suite, tres bien, try these,
tut mir, un placer, va bene, very well, viel erfolg, viel freude, viel gluck, viel spass, vielen
dank, voici la, voici le, voila la, voila le, want more, we are, we can, we hope, weitere namen,
welcome back, well done, what about, what do, what else, who knows, why not, wie gewunscht, wie
kann, with pleasure, would you, yes of, yes please, yes sir, you are, you bet, you can, you got, you
may, your welcome, yours sincerely, yours truly, zum beispiel
"""
"""Texts that begin so are phrases in capital letters, too."""
