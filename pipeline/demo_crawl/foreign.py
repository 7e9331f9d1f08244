"""Pages in German, French and Spanish, each with one picture: good pages that an English data set leaves out."""

from __future__ import annotations

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
"""By language: title, the text before the picture, the text after it."""
