"""Makes `common_passwords.txt`: `python -m server.accounts.common_passwords`.

The words below head every published list of leaked passwords. Around them come the forms in which people use them
when a rule asks for more: digits, years and marks at the end, letters turned into digits, words doubled; then seasons
and months with years, walks over a keyboard, runs of digits and letters, repeated characters and dates.
"""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

WORDS = """
password passwort passw0rd pass passphrase motdepasse contrasena senha parola salasana haslo wachtwoord lozinka
qwerty qwertz azerty letmein welcome admin administrator root user guest login master access secret default changeme
changeit test testing tester demo temp temporary system manager support service server office company business
monkey dragon tiger lion eagle falcon phoenix panther wolf bear shark dolphin butterfly kitty puppy horse rabbit
chicken football baseball basketball soccer hockey tennis golf cricket rugby racing yankees cowboys steelers lakers
chelsea arsenal liverpool barcelona juventus manchester realmadrid ronaldo messi jordan iloveyou loveyou love lovely
lover sweetheart princess prince angel angels baby babygirl babyboy honey sugar sweet sunshine shadow summer winter
spring autumn flower rose orange banana apple cherry pepper cookie cheese chocolate coffee pizza purple yellow green
blue silver golden diamond crystal rainbow superman batman spiderman ironman pokemon pikachu naruto starwars
skywalker matrix gandalf hobbit harrypotter hunter hunter2 killer warrior ninja samurai pirate ranger soldier sniper
knight hero legend champion winner michael jennifer jessica ashley daniel david robert thomas andrew joshua matthew
anthony william james john joseph charlie george jordan michelle nicole amanda melissa samantha elizabeth stephanie
maria anna laura julia sarah sophie alexander alexandra martin patrick richard steven kevin brian justin tyler
brandon jason ryan eric mark peter paul maggie buster ginger bailey charlie rocky lucky jasper oliver max molly
daisy bella coco freedom liberty america london paris berlin madrid moscow canada england germany france mexico
brazil india computer internet google facebook twitter instagram linkedin microsoft windows linux apple iphone
android samsung nintendo playstation xbox minecraft fortnite zelda mario sonic mercedes porsche ferrari mustang
corvette harley yamaha honda toyota camaro money dollar million business trustno1 whatever nothing something
anything everything forever always never blessed jesus jesuschrist god heaven church faith hope grace peace music
guitar piano metallica nirvana eminem beatles rockstar fuckyou fuckoff asshole bitch pussy biteme october november
december january february september hello hello123 goodbye welcome1 mypassword yourpassword ourpassword newpassword
oldpassword password1 thepassword security secure private personal database oracle cisco router firewall network
wireless internet1 star stars moon galaxy cosmos universe planet earth mother father family brother sister friend
friends
"""
PHRASES = """
thisismypassword thisisapassword mypasswordis letmeinplease letmeinnow openthedoor
opensesame iloveyouforever iloveyousomuch ihatepasswords idontknow passwordpassword password123456789 nopassword
donttellanyone thequickbrownfox thequickbrownfoxjumpsoverthelazydog tobeornottobe maytheforcebewithyou incorrect
yourpasswordisincorrect whateverwhatever changemenow changemeplease pleasechangeme pleaseletmein welcometothejungle
helloworld hellohello abcdefg1234567 administrator123 rootroot rootpassword adminadmin adminpassword testtest
testpassword userpassword supersecret supersecretpassword topsecret secretpassword masterpassword defaultpassword
temporarypassword companypassword mysecretpassword verysecurepassword verystrongpassword strongpassword
securepassword longpassword averylongpassword iamthebest iamtheking neverforget rememberme
"""
ENDINGS = ["", "1", "12", "123", "1234", "12345", "123456", "!", "1!", "123!", "!!", "@123", "#1", "01", "007", "69"]
YEARS = [str(year) for year in range(2015, 2031)]
SEASONS = "spring summer autumn fall winter"
MONTHS = "january february march april may june july august september october november december"
KEYBOARD_ROWS = [
    "1234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "yxcvbnm",
    "azertyuiop",
    "qsdfghjklm",
]
KEYBOARD_WALKS = """
1q2w3e4r5t6y7u8i9o0p 1qaz2wsx3edc4rfv5tgb6yhn7ujm zaq12wsxcde34rfv qazwsxedcrfvtgbyhnujm q1w2e3r4t5y6u7i8o9p0
!qaz2wsx #edc4rfv zaq1xsw2cde3vfr4 1qazxsw23edcvfr4 qweasdzxc asdfjkl qwerasdfzxcv poiuytrewq lkjhgfdsa mnbvcxz
147258369 741852963 159753 258456 789456123 963852741
"""
SHORTEST_RUN, LONGEST_RUN = 4, 24
LEET = str.maketrans("aeios", "43105")
LIST_FILE = Path(__file__).with_name("common_passwords.txt")


def generate() -> list[str]:
    """Return the whole list, in order, each entry once and in lower case."""
    return sorted({entry.casefold() for source in (_words(), _times(), _walks(), _runs()) for entry in source})


def _words() -> Iterator[str]:
    yield from PHRASES.split()
    words = WORDS.split()
    for word, ending in product(words, ENDINGS):
        yield word + ending
    for word in words:
        yield word * 2
        yield word.translate(LEET)
        yield word.replace("a", "@").replace("o", "0")
        yield word[::-1]


def _times() -> Iterator[str]:
    for name, year, ending in product(SEASONS.split() + MONTHS.split(), YEARS, ["", "!"]):
        yield f"{name}{year}{ending}"
        yield f"{name}{year[2:]}{ending}"
    for word, year in product(["password", "welcome", "qwerty", "admin", "changeme", "letmein", "company"], YEARS):
        yield from (f"{word}{year}", f"{word}{year}!", f"{word}@{year}")
    yield from (f"{day:02}{month:02}{year}" for year in range(1980, 2011, 5) for month in (1, 12) for day in (1, 31))


def _walks() -> Iterator[str]:
    for walk in KEYBOARD_WALKS.split():
        for length in range(min(6, len(walk)), len(walk) + 1):
            yield walk[:length]
    for row in KEYBOARD_ROWS:
        for path in (row, row[::-1]):
            yield from (path[:length] for length in range(SHORTEST_RUN, len(path) + 1))
    yield from (a + b for a, b in product(KEYBOARD_ROWS, KEYBOARD_ROWS))
    letters = "".join(KEYBOARD_ROWS[1:4])
    yield from (letters[:length] for length in range(10, len(letters) + 1))


def _runs() -> Iterator[str]:
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    for run in ("1234567890" * 3, "0123456789" * 3, "9876543210" * 3, "0987654321" * 3, alphabet, alphabet[::-1]):
        yield from (run[:length] for length in range(SHORTEST_RUN, LONGEST_RUN + 1))
    for character, length in product(alphabet + "0123456789", range(SHORTEST_RUN, LONGEST_RUN + 1)):
        yield character * length


def write() -> None:
    """Write the list to its file."""
    LIST_FILE.write_text("\n".join(generate()) + "\n", "utf-8")


if __name__ == "__main__":
    write()
