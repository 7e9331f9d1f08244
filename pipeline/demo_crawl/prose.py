"""The text around the pictures.

Sentences are composed from the site's theme and general remarks, independently of the pictures. None helps to guess a
caption, so a model has to look at the pictures to predict the captions.
"""

from __future__ import annotations

import itertools
from random import Random

from m3w.pipeline.demo_crawl.sites import Site

PEOPLE = (
    "Ada", "Bruno", "Clara", "Dmitri", "Elena", "Farid", "Greta", "Henrik", "Ines", "Jonas", "Kamala", "Leo",
    "Marta", "Nadia", "Oskar", "Priya", "Quentin", "Rosa", "Samuel", "Tilda", "Umberto", "Vera", "Wanda", "Yusuf",
)  # fmt: skip

TOWNS = (
    "Alderbrook", "Birkenau Mill", "Castle Hill", "Dunmore", "Eastgate", "Fernhollow", "Gullhaven", "Hartfield",
    "Ivy Bridge", "Kingsferry", "Lower Marsh", "Mapleton", "Northwick", "Oldcastle", "Pinecrest", "Ravensmoor",
)  # fmt: skip

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip

OPENINGS = (
    "This page is about {topic}. {person} took the pictures in {month}, and the notes were written the same evening.",
    "We had planned to write about {topic} for a long time, but it took a rainy {month} in {town} to get it done.",
    "When people ask us about {topic}, we usually show them the {nouns} first and talk later.",
    "{person} from {town} sent us these {nouns} together with a friendly letter, and we are glad to share them here.",
    "Here are the {nouns} that belong to {topic}, in the order in which we came across them.",
    "It began with a question that {person} asked over breakfast: how many {nouns} does one need to tell a story?",
    "Last {month} we went to {town} with a notebook, a camera and not much else.",
    "Nobody in {town} could tell us when the first of these {nouns} was made, so we started to keep a record.",
    "If you have never looked closely at {nouns}, {topic} is a good place to begin.",
    "This is the second part of our notes on {topic}; the first one appeared in {month}.",
)

REMARKS = (
    "{person} noticed it before anybody else did.",
    "It was the first thing that we saw when we came through the gate in {town}.",
    "We had to wait for the light, but it was worth it.",
    "{person} has seen them all and likes this one best.",
    "There used to be another one beside it, until the storm of last {month}.",
    "Look at it for a while before you read on.",
    "We found it in {town}, at the back of a shed that smelled of apples.",
    "It cost next to nothing, and the seller wrapped it in an old map.",
    "Some visitors walk past without a glance, which is a pity.",
    "{person} spent two evenings on it and would not let us help.",
    "The photograph was taken from about two steps away.",
    "You can tell by the edge that it was made by hand.",
    "In {month} it will be shown to the public for the first time.",
    "Nobody remembers who ordered it, but everybody knows where it hangs.",
    "We asked three neighbours about it and were given three different stories.",
    "It survived two house moves and one very curious dog.",
    "Compared with the others, it seems almost shy.",
    "The idea came from {person}, who had seen something like it in {town}.",
    "It is not for sale, although people keep asking.",
    "This is how it looked on the day we arrived.",
    "A copy of it can be seen in the reading room at {town}.",
    "Every time we pass, we stop for a minute and say good morning to it.",
    "It was made a few weeks after the others, in better weather.",
    "{person} laughed out loud on seeing it again after so many years.",
    "According to the label, it was finished in {month}.",
    "We would have liked to know more, but the book has a page missing just there.",
    "Somebody has taken good care of it, and it shows.",
    "{person} would have taken it home if it were not so well nailed down.",
    "Our neighbour in {town} has one that is nearly the same.",
)

KITCHEN_REMARKS = (
    "{person} ate the trial piece before the picture was taken.",
    "Work quickly here, because the sugar sets within a minute.",
    "If your hand shakes, rest your wrist on a folded towel.",
    "This one was made by {person}, who had never held a piping bag before.",
    "At the feast in {town} it was the first to be eaten.",
    "Wipe the knife after every cut and take your time.",
    "A cool kitchen helps; in {month} we work with the window open.",
    "Nothing is lost if it goes wrong: scrape it off and begin again.",
    "Leave it alone for half an hour, however hard that is.",
    "The guests from {town} asked for the recipe before the coffee was poured.",
    "We keep one of each kind back so that we remember how it was done.",
    "You will need about two spoonfuls for this one.",
)

LESSON_REMARKS = (
    "Wait until everybody has had a good look.",
    "{person} from {town} always asks for this one twice.",
    "Say it in one sentence, and then try to say it in half of one.",
    "Let two people describe it in turn and see whether they agree.",
    "Cover it with a sheet of paper and ask what was there.",
    "It is harder than it looks, so be patient with yourself.",
    "We tried this with a group in {town}, and nobody wanted to stop.",
    "Write your answer down before you turn the page.",
    "Those who are done may help the person beside them.",
    "{person} found a way to do it with eyes closed.",
    "Take a short break here and open a window.",
    "Compare it with another one: what do the two have in common?",
)

FORUM_REMARKS = (
    "Has anybody seen this one in {town}?",
    "{person} told me to ask here, so I am asking.",
    "I bought it in {month} from a man who knew nothing about it.",
    "Thank you for the quick answer; I will look at it again in daylight.",
    "The photograph is mine, and I am sorry that it is not sharper.",
    "I would not rule out a joke, but it would be an old one.",
    "There is a better example in the window of the chemist in {town}.",
    "My grandmother in {town} says that she remembers it from school.",
    "I measured it twice, because I did not believe the first result.",
    "If you turn it over, you can see where it was glued.",
    "{person} is right about the age, I think, but not about the use.",
    "I will ask at the archive in {month} and report back.",
    "It was in the same drawer as a bill from {month}.",
    "That is as much as I know, and half of it is a guess.",
)

REMARKS_OF_KIND = {"recipe": KITCHEN_REMARKS, "lesson": LESSON_REMARKS, "forum": FORUM_REMARKS}
"""Remarks for kinds of page that need their own; all others use `REMARKS`."""

FORUM_OPENINGS = (
    "I hope that somebody here can help me with {topic}. I found them in {town} last {month}.",
    "New here, and with a question at once: who knows anything about {topic}?",
    "Following the advice of {person}, I am showing you {topic}. All of them come from {town}.",
)

KITCHEN_OPENINGS = (
    "We make {topic} every {month}, and each time somebody in {town} asks how it is done.",
    "{person} brought the recipe for {topic} from {town}, and we have changed hardly anything.",
    "For {topic} you need an hour in the kitchen, another one to let things cool, and a steady hand.",
    "{person} learnt this at the bakery in {town}; the {nouns} below are from last {month}.",
)

FORUM_CLOSINGS = (
    "The question is still open. Write to us if you can add something.",
    "{person} closed this thread in {month}, with thanks to all who took part.",
    "Solved, as far as such things can be. The {nouns} stay in {town}.",
)

CLOSINGS = (
    "That is all for today. If you know more about one of these {nouns}, please write to us.",
    "We thank {person} and everybody in {town} for their patience and for the coffee.",
    "There will be more in {month}, when the evenings are long enough for writing.",
    "Before we left, {person} made us promise to come back with more time.",
    "If you visit {town}, say hello from us and look for the other {nouns} on your own.",
    "All pictures on this page may be used for teaching, as long as you say where they come from.",
    "Much is still unclear, but one thing is certain: nobody here is tired of {nouns} yet.",
    "We closed the notebook, paid for the soup and took the last bus home.",
)

KITCHEN_CLOSINGS = (
    "Serve them on a plain plate, so that nothing takes the eyes away from your work.",
    "Send us a picture of your own {nouns}; the best ones will be shown here in {month}.",
    "{person} in {town} keeps the first one of every batch in a drawer. We eat ours.",
    "What is left over can be given away, if anything is left over.",
)

OPENINGS_OF_KIND = {"recipe": KITCHEN_OPENINGS, "forum": FORUM_OPENINGS}
CLOSINGS_OF_KIND = {"recipe": KITCHEN_CLOSINGS, "forum": FORUM_CLOSINGS}

SUMMARIES = (
    "Notes and pictures from {town}, written by {person}.",
    "{person} looks back on {topic} and on a handful of {nouns}.",
    "A short walk through {topic}, with a picture of everything we mention.",
    "What we saw, what we were told, and what we still do not know.",
)


class Writer:
    """Sentences for one page, determined by the site and the random stream."""

    def __init__(self, site: Site, random: Random) -> None:
        self.site = site
        self.random = random
        self.topic = random.choice(site.topics)
        self.person = random.choice(PEOPLE)
        self.town = random.choice(TOWNS)
        remarks = REMARKS_OF_KIND.get(site.kind, REMARKS)
        self._facts = iter(random.sample(site.facts, len(site.facts)))
        self._remarks = itertools.cycle(random.sample(remarks, len(remarks)))

    def opening(self) -> str:
        sentence = self.random.choice(OPENINGS_OF_KIND.get(self.site.kind, OPENINGS))
        return f"{self._fill(sentence)} {self.fact()}"

    def closing(self) -> str:
        return self._fill(self.random.choice(CLOSINGS_OF_KIND.get(self.site.kind, CLOSINGS)))

    def summary(self) -> str:
        return self._fill(self.random.choice(SUMMARIES))

    def remark(self) -> str:
        return self._fill(next(self._remarks))

    def fact(self) -> str:
        """A fact about the site's theme; a remark once all facts are used."""
        return next(self._facts, None) or self.remark()

    def between(self) -> str:
        """Text between two pictures; often two sentences, so that few paragraphs of a site are equal."""
        if self.random.random() < 0.45:
            return self.remark()
        sentences = [self.remark(), self.fact()]
        self.random.shuffle(sentences)
        return " ".join(sentences)

    def _fill(self, sentence: str) -> str:
        site = self.site
        words = {"person": self.person, "town": self.town, "month": self.random.choice(MONTHS)}
        return sentence.format(noun=site.noun, nouns=site.nouns, topic=self.topic, **words)


FOREIGN = {
    "de": (
        (
            "Ein Nachmittag im Hafen",
            "Am Nachmittag sind wir mit der kleinen Fähre über die Bucht gefahren. Das Wasser war ruhig, und auf der "
            "Mole saßen die Angler nebeneinander wie Vögel auf einer Leitung. Der Hafenmeister zeigte uns seine "
            "Sammlung und erzählte zu jedem Stück eine Geschichte.",
            "Später gab es Suppe und frisches Brot, und der Koch setzte sich zu uns an den Tisch. Wir haben uns "
            "vorgenommen, im nächsten Sommer wiederzukommen und dann länger zu bleiben, denn an einem Tag lernt man "
            "diesen Ort nicht kennen.",
        ),
        (
            "Was man zum Backen braucht",
            "Für gute Kekse braucht man vor allem Zeit. Der Teig soll eine Stunde in der Kälte ruhen, bevor man ihn "
            "ausrollt, und der Ofen muss wirklich heiß sein. Wer zu früh nachsieht, lässt die Wärme hinaus und ärgert "
            "sich danach.",
            "Die Glasur rührt man aus Puderzucker und Eiweiß, mit einem Spritzer Zitrone. Erst wenn der Grund trocken "
            "ist, malt man die Figur darauf. Kinder können dabei gut helfen, und was zerbricht, wird sofort gegessen.",
        ),
    ),
    "fr": (
        (
            "Une promenade au bord du lac",
            "Nous sommes partis tôt le matin, quand la brume était encore posée sur le lac. Le chemin suit la rive "
            "pendant une heure, puis il monte entre les vignes jusqu'au village. Une vieille dame nous a offert des "
            "pommes et nous a montré la maison où elle est née.",
            "Au retour, il a commencé à pleuvoir, mais personne ne s'en est plaint. Nous avons attendu sous un arbre "
            "en racontant des histoires, et le chien de notre hôte nous a raccompagnés jusqu'à la gare.",
        ),
        (
            "Les carreaux de l'atelier",
            "Chaque carreau est pressé à la main dans un cadre de bois, puis il sèche pendant deux semaines à l'ombre. "
            "La terre vient de la colline voisine et repose un an dans la cave avant d'être travaillée.",
            "Le four décide de la fin, et nous avons appris à ne pas discuter avec lui. Les visiteurs sont les "
            "bienvenus le vendredi, à condition de ne pas craindre la poussière ni les longues explications.",
        ),
    ),
    "es": (
        (
            "Las banderas del pueblo",
            "Cada casa del pueblo tiene su propia bandera y la cuelga en el balcón cuando espera visitas. Nadie "
            "recuerda quién tuvo la idea, pero todos saben a qué familia pertenece cada una y qué historia cuenta.",
            "El domingo por la mañana los niños salen a la plaza y juegan a adivinarlas con los ojos cerrados. Después "
            "hay pan caliente, aceite y queso para todos, y la música no termina hasta que se hace de noche.",
        ),
        (
            "Un sello difícil de encontrar",
            "Mi abuelo guardaba sus sellos en una caja de madera que olía a tabaco. Los domingos la abría despacio y "
            "nos explicaba de dónde venía cada uno y por qué algunos valían más que otros.",
            "Este lo encontró en una carta que nunca llegó a su destino. Le faltaba una esquina, pero él decía que las "
            "cosas con historia son siempre un poco imperfectas, y que por eso hay que cuidarlas mejor.",
        ),
    ),
}
"""Pages in languages that an English dataset leaves out: title, text before the picture, text after it."""
